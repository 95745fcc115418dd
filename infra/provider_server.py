"""A Terraform provider that knows the schema of Google's and does nothing: `python provider_server.py schema.json`.

It prints what TF_REATTACH_PROVIDERS must say and serves until it is ended. It runs beside libraries of its own,
because the generated protocol of PyPI's `tf` needs an older protobuf than our client libraries.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
from tf.gen import tfplugin_pb2 as protocol

NAME: Final = "registry.terraform.io/hashicorp/google"
Json = dict[str, Any]


def block_of(fields: Json) -> Any:
    """The protocol's form of a block."""
    block = protocol.Schema.Block()
    for name, each in fields["attributes"].items():
        flags = {flag: each[flag] for flag in ("required", "optional", "computed")}
        block.attributes.add(name=name, type=json.dumps(each["type"]).encode(), **flags)
    for name, each in fields["blocks"].items():
        nesting = protocol.Schema.NestedBlock.NestingMode.Value(each["nesting"])
        nested = block.block_types.add(type_name=name, nesting=nesting, min_items=each["least"], max_items=each["most"])
        nested.block.CopyFrom(block_of(each))
    return block


def schema_response(schema: Json) -> Any:
    response = protocol.GetProviderSchema.Response()
    response.provider.block.CopyFrom(block_of(schema["provider"]))
    for name, fields in schema["resources"].items():
        response.resource_schemas[name].block.CopyFrom(block_of(fields))
    for name, fields in schema["data"].items():
        response.data_source_schemas[name].block.CopyFrom(block_of(fields))
    return response


def handlers(schema: Json) -> dict[str, Any]:
    """What `terraform validate` and tests with mocks call. Anything else is not implemented, and Terraform says so."""
    answers = {
        "GetProviderSchema": (protocol.GetProviderSchema.Request, schema_response(schema)),
        "GetFunctions": (protocol.GetFunctions.Request, protocol.GetFunctions.Response()),
        "StopProvider": (protocol.StopProvider.Request, protocol.StopProvider.Response()),
    }
    for method in (
        "ValidateProviderConfig",
        "ValidateResourceConfig",
        "ValidateDataResourceConfig",
        "ConfigureProvider",
    ):
        messages = getattr(protocol, method)
        answers[method] = (messages.Request, messages.Response())
    return {
        method: grpc.unary_unary_rpc_method_handler(
            lambda _request, _context, answer=answer: answer,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for method, (request, answer) in answers.items()
    }


def main() -> None:
    schema = json.loads(Path(sys.argv[1]).read_text())
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tfplugin6.Provider", handlers(schema)),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    provider = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    print(json.dumps({NAME: provider}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()

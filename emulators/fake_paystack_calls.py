"""The calls of the Paystack API that the fake knows: what each takes, refuses and does."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from emulators.fake_paystack_account import PaystackAccount, PaystackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emulators.provider_state import Json

    Operation = Callable[[PaystackAccount, Json, dict[str, str]], tuple[str, Any, Json | None]]

CURRENCIES = ("NGN", "GHS", "ZAR", "KES", "USD")
REFERENCE = re.compile(r"[A-Za-z0-9.=-]+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
SUBACCOUNT = re.compile(r"ACCT_\w+")
LARGEST_PAGE = 100


def _amount(params: Json) -> int | None:
    amount = params.get("amount")
    if amount is None:
        return None
    if isinstance(amount, bool) or not re.fullmatch(r"\d{1,12}", str(amount)) or int(amount) < 1:
        raise PaystackError("Invalid Amount Sent", code="invalid_amount")
    return int(amount)


def initialize(account: PaystackAccount, params: Json, path: dict[str, str]) -> tuple[str, Any, Json | None]:
    """POST /transaction/initialize."""
    amount, currency = _amount(params), params.get("currency", "NGN")
    if amount is None:
        raise PaystackError("Invalid Amount Sent", code="invalid_amount")
    if currency not in CURRENCIES:
        raise PaystackError("Currency not supported by merchant", status=403, code="unsupported_currency")
    if not EMAIL.fullmatch(str(params.get("email", ""))):
        raise PaystackError("Invalid Email Address Passed", code="invalid_email_address")
    if "reference" in params and not REFERENCE.fullmatch(str(params["reference"])):
        raise PaystackError("Invalid character in transaction reference", code="invalid_reference")
    if "subaccount" in params and not SUBACCOUNT.fullmatch(str(params["subaccount"])):
        raise PaystackError("Subaccount code is invalid", code="invalid_subaccount_code")
    metadata = params.get("metadata")
    known = {"metadata": json.loads(metadata)} if isinstance(metadata, str) and metadata else {}
    made = account.initialize(params | {"amount": amount, "currency": currency} | known)
    url = f"{path['base']}pay/{made['access_code']}"
    return "Authorization URL created", {"authorization_url": url} | made, None


def _by_reference(account: PaystackAccount, reference: str) -> Json:
    if reference not in account.transactions:
        raise PaystackError("Transaction reference not found", code="transaction_not_found")
    return account.transactions[reference]


def verify(account: PaystackAccount, params: Json, path: dict[str, str]) -> tuple[str, Any, Json | None]:
    """GET /transaction/verify/{reference}."""
    return "Verification successful", _by_reference(account, path["reference"]), None


def fetch(account: PaystackAccount, params: Json, path: dict[str, str]) -> tuple[str, Any, Json | None]:
    """GET /transaction/{id}."""
    if not path["id"].isdigit():
        raise PaystackError("Transaction ID should be numeric.", code="invalid_transaction_id")
    return "Transaction retrieved", account.transaction(int(path["id"])), None


def create_refund(account: PaystackAccount, params: Json, path: dict[str, str]) -> tuple[str, Any, Json | None]:
    """POST /refund, of a transaction by its reference or number."""
    named = str(params.get("transaction", ""))
    transaction = account.transaction(int(named)) if named.isdigit() else _by_reference(account, named)
    if params.get("currency", transaction["currency"]) != transaction["currency"]:
        raise PaystackError("Currency does not match the transaction's", code="invalid_currency")
    refund = account.refund(transaction, _amount(params), params.get("customer_note"), params.get("merchant_note"))
    return "Refund has been queued for processing", refund, None


def _within(moment: str, params: Json) -> bool:
    at = datetime.fromisoformat(moment)
    begin, end = (_day_or_moment(params.get(name)) for name in ("from", "to"))
    return (begin is None or begin <= at) and (end is None or at <= end)


def _day_or_moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise PaystackError("Invalid date") from wrong
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _page(things: Iterable[Json], params: Json) -> tuple[list[Json], Json]:
    found = list(things)
    size, page = min(int(params.get("perPage", 50)), LARGEST_PAGE), int(params.get("page", 1))
    if size < 1 or page < 1:
        raise PaystackError("perPage and page must be positive")
    begin = (page - 1) * size
    meta = {"total": len(found), "skipped": begin, "perPage": size, "page": page, "pageCount": -(-len(found) // size)}
    return found[begin : begin + size], meta


def list_transactions(account: PaystackAccount, params: Json, path: dict[str, str]) -> tuple[str, Any, Json | None]:
    """GET /transaction, newest first."""
    found = (
        each
        for each in reversed(account.transactions.values())
        if _within(each["created_at"], params) and params.get("status") in (None, each["status"])
    )
    return "Transactions retrieved", *_page(found, params)


def list_refunds(account: PaystackAccount, params: Json, path: dict[str, str]) -> tuple[str, Any, Json | None]:
    """GET /refund, newest first."""
    found = (
        each
        for each in reversed(account.refunds.values())
        if _within(each["createdAt"], params) and params.get("transaction") in (None, str(each["transaction"]))
    )
    return "Refunds retrieved", *_page(found, params)


def list_disputes(account: PaystackAccount, params: Json, path: dict[str, str]) -> tuple[str, Any, Json | None]:
    """GET /dispute, newest first."""
    found = (
        each
        for each in reversed(account.disputes.values())
        if _within(each["created_at"], params) and params.get("transaction") in (None, str(each["transaction"]["id"]))
    )
    return "Disputes retrieved", *_page(found, params)


def operations() -> list[tuple[str, str, Operation]]:
    """Method, path and operation of every call."""
    return [
        ("POST", "/transaction/initialize", initialize),
        ("GET", "/transaction/verify/{reference}", verify),
        ("GET", "/transaction/{id}", fetch),
        ("GET", "/transaction", list_transactions),
        ("POST", "/refund", create_refund),
        ("GET", "/refund", list_refunds),
        ("GET", "/dispute", list_disputes),
    ]

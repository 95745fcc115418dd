"""The payment providers that this deployment has an account at, each opened at its first use."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from common.config import Config, config
from common.payments.gateways import GatewayName

if TYPE_CHECKING:
    from common.payments.gateways import Gateway


def gateway(name: GatewayName) -> Gateway:
    """The provider of this name, as the present configuration reaches it."""
    return _opened(name, config())


@cache
def _opened(name: GatewayName, configuration: Config) -> Gateway:
    if name is GatewayName.STRIPE:
        from common.payments.stripe_gateway import StripeGateway

        return StripeGateway(configuration)
    if name is GatewayName.PAYSTACK:
        from common.payments.paystack_gateway import PaystackGateway

        return PaystackGateway(configuration)
    from common.payments.razorpay_gateway import RazorpayGateway

    return RazorpayGateway(configuration)


def configured() -> tuple[GatewayName, ...]:
    """The providers that this deployment has an account at."""
    keys = {
        GatewayName.STRIPE: config().stripe_secret_key,
        GatewayName.RAZORPAY: config().razorpay_key_id,
        GatewayName.PAYSTACK: config().paystack_secret_key,
    }
    return tuple(name for name in GatewayName if keys[name])

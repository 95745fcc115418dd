#!/usr/bin/env bash
# From a phone number to the door: sign in, find an event, hold a ticket, pay, walk in. Needs `make run` beside it.
set -euo pipefail
state="${MARQUEE_STATE:-$(dirname "${BASH_SOURCE[0]}")/../.local}"
[ -f "$state/env" ] || { echo "start the local cloud first: make run" >&2; exit 1; }
set -a; . "$state/env"; set +a
# --- the tour
auth="http://$FIREBASE_AUTH_EMULATOR_HOST"
json='Content-Type: application/json'
pick() { python3 -c 'import functools, json, sys; print(functools.reduce(lambda value, key: value[int(key) if isinstance(value, list) else key], sys.argv[1:], json.load(sys.stdin)))' "$@"; }
sign_in() { # by phone and one-time password, which the emulator shows instead of sending
  accounts="$auth/identitytoolkit.googleapis.com/v1/accounts"
  session=$(curl -s "$accounts:sendVerificationCode?key=local" -H "$json" -d "{\"phoneNumber\": \"$1\"}" | pick sessionInfo)
  code=$(curl -s "$auth/emulator/v1/projects/$GOOGLE_CLOUD_PROJECT/verificationCodes" | pick verificationCodes -1 code)
  curl -s "$accounts:signInWithPhoneNumber?key=local" -H "$json" -d "{\"sessionInfo\": \"$session\", \"code\": \"$code\"}" | pick idToken
}
buyer="Authorization: Bearer $(sign_in +919812345678)"
curl -s -X POST "$GATEWAY_URL/v1/session" -H "$buyer" -H "$json" -d '{"deviceInfo": {"id": "tour-phone", "platform": "android", "appVersion": "1.0.0"}}'; echo
events=$(curl -s "$GATEWAY_URL/v1/events/nearby?latitude=19.0760&longitude=72.8777&radiusKm=5")
event=$(echo "$events" | python3 -c 'import json, sys; print(next(event["eventId"] for event in json.load(sys.stdin)["items"] if event["title"].startswith("Open Now")))') # its doors are open
tier=$(curl -s "$GATEWAY_URL/v1/events/$event" | pick tiers -1 tierId)
order=$(curl -s "$GATEWAY_URL/v1/orders" -H "$buyer" -H "$json" -H "Idempotency-Key: tour-$RANDOM$RANDOM" -d "{\"eventId\": \"$event\", \"lines\": [{\"tierId\": \"$tier\", \"quantity\": 1}]}" | pick orderId)
payment=$(curl -s "$GATEWAY_URL/v1/orders/$order/checkout" -H "$buyer" -H "$json" -d '{"gateway": "stripe"}' | pick gatewayReference)
curl -s -u "$STRIPE_SECRET_KEY:" "$STRIPE_API_BASE/v1/payment_intents/$payment/confirm" -d payment_method=pm_card_visa -d return_url=https://marquee.example/paid | pick status
for _ in $(seq 50); do status=$(curl -s "$GATEWAY_URL/v1/orders/$order" -H "$buyer" | pick status); [ "$status" = ticketed ] && break; sleep 0.2; done; echo "order $order is $status"
ticket=$(curl -s "$GATEWAY_URL/v1/orders/$order" -H "$buyer" | pick ticketIds 0)
qr=$(curl -s "$GATEWAY_URL/v1/tickets/$ticket" -H "$buyer" | pick qr)
host="Authorization: Bearer $(sign_in +919900000001)" # who hosts that event
scan="{\"qr\": \"$qr\", \"gate\": \"Main\"}"
curl -s "$GATEWAY_URL/v1/events/$event/check-ins" -H "$host" -H "$json" -d "$scan" | pick result
curl -s "$GATEWAY_URL/v1/events/$event/check-ins" -H "$host" -H "$json" -d "$scan" | pick result # the second scan

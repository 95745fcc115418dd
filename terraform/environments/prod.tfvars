project         = "marquee-prod"
environment     = "prod"
domain          = "api.marquee.example"
allowed_origins = ["https://marquee.example"]

max_instances_ceiling = 100
traces                = { ratio = 0.01 }
# Whoever opens the app or books is not kept waiting for an instance to start.
warm_instances = { create_order = 1, get_event = 1 }

alert_emails    = ["on-call@marquee.example"]
billing_account = "000000-000000-000000"
monthly_budget  = { currency = "USD", units = 2000 }

settings = {
  STRIPE_PUBLISHABLE_KEY = "pk_live_replace"
  RAZORPAY_KEY_ID        = "rzp_live_replace"
  MAIL_FROM              = "tickets@marquee.example"
  TWILIO_ACCOUNT_SID     = "AC00000000000000000000000000000000"
  SMS_FROM               = "+15005550006"
}

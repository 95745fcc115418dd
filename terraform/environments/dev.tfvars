project         = "marquee-dev"
environment     = "dev"
domain          = "api.dev.marquee.example"
allowed_origins = ["https://dev.marquee.example", "http://localhost:5173"]

# Nothing here is worth keeping, and it should cost next to nothing.
deleted_on_destroy    = true
armor                 = false
max_instances_ceiling = 5

alert_emails    = ["dev-alerts@marquee.example"]
billing_account = "000000-000000-000000"
monthly_budget  = { currency = "USD", units = 50 }

settings = {
  STRIPE_PUBLISHABLE_KEY = "pk_test_replace"
  RAZORPAY_KEY_ID        = "rzp_test_replace"
  MAIL_FROM              = "tickets@dev.marquee.example"
  TWILIO_ACCOUNT_SID     = "AC00000000000000000000000000000000"
  SMS_FROM               = "+15005550006"
}

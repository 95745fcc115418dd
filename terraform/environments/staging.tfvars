project         = "marquee-staging"
environment     = "staging"
domain          = "api.staging.marquee.example"
allowed_origins = ["https://staging.marquee.example"]

# As production, with test accounts at the providers and a smaller cap.
deleted_on_destroy    = true
armor                 = true
max_instances_ceiling = 20
traces                = { ratio = 1 }

alert_emails    = ["staging-alerts@marquee.example"]
billing_account = "000000-000000-000000"
monthly_budget  = { currency = "USD", units = 200 }

settings = {
  STRIPE_PUBLISHABLE_KEY = "pk_test_replace"
  RAZORPAY_KEY_ID        = "rzp_test_replace"
  MAIL_FROM              = "tickets@staging.marquee.example"
  TWILIO_ACCOUNT_SID     = "AC00000000000000000000000000000000"
  SMS_FROM               = "+15005550006"
}

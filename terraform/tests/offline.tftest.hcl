# The whole configuration against the provider's schema, with nothing behind it. What it plans is compared with the
# manifest in Python (infra/agreement.py); here is what Terraform alone can say.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project         = "marquee-test"
  environment     = "prod"
  domain          = "api.marquee.example"
  allowed_origins = ["https://marquee.example"]
  alert_emails    = ["on-call@marquee.example"]
  billing_account = "000000-000000-000000"
  monthly_budget  = { currency = "USD", units = 100 }
  sign_in_providers = {
    "google.com" = { client_id = "google" }
    "apple.com"  = { client_id = "apple" }
  }
  sign_in_secrets = { "google.com" = "one", "apple.com" = "two" }
  traces          = { ratio = 0.01 }
}

run "everything" {
  command = plan

  assert {
    condition     = length(module.function) == length(local.functions)
    error_message = "Every function of the manifest is a service."
  }
  assert {
    condition     = length(module.vertex) == 0
    error_message = "What costs money idle is off unless somebody asks for it."
  }
}

run "with_vector_search" {
  command = plan

  variables {
    vector_search = true
  }

  assert {
    condition     = length(module.vertex) == 1
    error_message = "Vector search is there once it is asked for."
  }
}

run "without_traces" {
  command = plan

  variables {
    traces = null
  }

  assert {
    condition     = length(module.rights.tracing) == 0
    error_message = "Who records no traces has no right to send them."
  }
}

run "without_armor" {
  command = plan

  variables {
    armor = false
  }
}

run "no_secret_among_the_settings" {
  command = plan

  variables {
    settings = { STRIPE_SECRET_KEY = "sk_live_something" }
  }

  expect_failures = [var.settings]
}

# Identity Platform: phone numbers first, Google and Apple beside them.

resource "google_identity_platform_config" "this" {
  authorized_domains         = concat([var.domain], [for origin in var.origins : regex("^https?://([^:/]+)", origin)[0]])
  autodelete_anonymous_users = true

  sign_in {
    allow_duplicate_emails = false

    phone_number {
      enabled            = true
      test_phone_numbers = var.test_phones
    }
    email {
      enabled = false
    }
    anonymous {
      enabled = false
    }
  }

  # Codes go to these countries only: premium numbers elsewhere are how sign-in SMS is turned into money.
  sms_region_config {
    allowlist_only {
      allowed_regions = var.sms_regions
    }
  }

  monitoring {
    request_logging {
      enabled = true
    }
  }
}

resource "google_identity_platform_default_supported_idp_config" "idp" {
  for_each = var.idps

  idp_id        = each.key
  enabled       = true
  client_id     = each.value.client_id
  client_secret = var.secrets[each.key]

  depends_on = [google_identity_platform_config.this]
}

# Rate rules for each class of functions: the flood that one address may send. A whole network of phones can share an
# address, so these are far above what one person may do; what a person may do is for the function to count, who knows the
# person. An Authorization header is no key to count by: nobody has verified it here, and whoever floods would change it.
# What the CDN answers itself is not counted: it costs us nothing but its bytes.

locals {
  # What one person may do in a minute and in an hour. Cloud Armor looks back no further.
  limits = {
    public  = { minute = 120, hour = 2000 }
    general = { minute = 60, hour = 1000 }
    media   = { minute = 30, hour = 500 }
    sign-in = { minute = 10, hour = 100 }
    booking = { minute = 20, hour = 400 }
    # Providers repeat what they were refused, from few addresses.
    webhook = { minute = 300, hour = 10000 }
  }
  people_behind_one_address = 20
}

resource "google_compute_security_policy" "class" {
  #checkov:skip=CKV_GCP_73:No Java runs here, so nothing could look a message up (CVE-2021-44228).

  # A policy costs by the month, so only those classes have one that a function is in.
  for_each = { for class, limit in local.limits : class => limit if var.armor && contains(values(local.class), class) }

  name = "marquee-${each.key}"
  type = "CLOUD_ARMOR"

  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable = true
    }
  }

  rule {
    priority    = 1000
    description = "Refused beyond the limit of a minute, banned for ten minutes beyond that of an hour."
    action      = "rate_based_ban"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      conform_action   = "allow"
      exceed_action    = "deny(429)"
      enforce_on_key   = "IP"
      ban_duration_sec = 600
      rate_limit_threshold {
        count        = each.value.minute * local.people_behind_one_address
        interval_sec = 60
      }
      ban_threshold {
        count        = each.value.hour * local.people_behind_one_address
        interval_sec = 3600
      }
    }
  }

  rule {
    priority    = 2147483647
    description = "What no rule is about."
    action      = "allow"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}

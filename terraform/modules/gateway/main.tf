# The global load balancer: one address, one certificate, and each route of the manifest to its own function.

locals {
  # A class of callers' limits for each function; Cloud Armor counts per policy, and a policy is a class.
  class = { for name, each in var.functions : name => (
    each.access == "provider_signature" ? "webhook" :
    startswith(each.path, "/v1/session") ? "sign-in" :
    "${each.method} ${each.path}" == "POST /v1/orders" ? "booking" :
    startswith(each.path, "/v1/media") ? "media" :
    each.access == "public" ? "public" :
    "general"
  ) }
  is_cached = { for name, each in var.functions : name => each.access == "public" && each.method == "GET" }

  # The address of a path parameter is one segment, whatever its name.
  patterns = { for name, each in var.functions : name => replace(each.path, "/\\{[^}]+\\}/", "*") }
  # Envoy takes the first rule that fits, and a fixed segment goes before a parameter: /v1/events/nearby is no event.
  # "*" sorts before every letter, so it is exchanged for something that sorts behind.
  order = sort([for name, each in var.functions : "${replace(local.patterns[name], "*", "~")} ${each.method} ${name}"])
  rules = { for number, key in local.order : split(" ", key)[2] => number + 1 }
}

resource "google_compute_region_network_endpoint_group" "function" {
  for_each = var.functions

  name                  = each.value.service
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = each.value.service
  }
}

resource "google_compute_backend_service" "function" {
  for_each = var.functions

  name                  = each.value.service
  protocol              = "HTTPS"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  enable_cdn            = local.is_cached[each.key]
  security_policy       = var.armor ? "projects/${var.project}/global/securityPolicies/${google_compute_security_policy.class[local.class[each.key]].name}" : null

  backend {
    group = "projects/${var.project}/regions/${var.region}/networkEndpointGroups/${google_compute_region_network_endpoint_group.function[each.key].name}"
  }

  # The function decides by Cache-Control; without it nothing is kept.
  dynamic "cdn_policy" {
    for_each = local.is_cached[each.key] ? [true] : []
    content {
      cache_mode         = "USE_ORIGIN_HEADERS"
      request_coalescing = true
      serve_while_stale  = 60
      cache_key_policy {
        include_host         = false
        include_protocol     = false
        include_query_string = true
      }
      # Who is signed in gets their own reply.
      bypass_cache_on_request_headers {
        header_name = "Authorization"
      }
    }
  }

  # Requests are logged by the functions, without addresses and tokens (modules/observability).
  log_config {
    enable = false
  }
}

resource "google_compute_url_map" "https" {
  name            = "marquee"
  default_service = local.backends[local.fallback]

  host_rule {
    hosts        = [var.domain]
    path_matcher = "functions"
  }

  path_matcher {
    name = "functions"
    # It answers what no rule fits with the usual 404 or 405 problem document, and costs no read.
    default_service = local.backends[local.fallback]

    dynamic "route_rules" {
      for_each = [for key in local.order : split(" ", key)[2]]
      iterator = function
      content {
        priority = local.rules[function.value]
        service  = local.backends[function.value]

        match_rules {
          full_path_match     = strcontains(local.patterns[function.value], "*") ? null : local.patterns[function.value]
          path_template_match = strcontains(local.patterns[function.value], "*") ? local.patterns[function.value] : null
          header_matches {
            header_name = ":method"
            exact_match = var.functions[function.value].method
          }
        }
        # A browser asks before it calls, and the function that would be called answers.
        match_rules {
          full_path_match     = strcontains(local.patterns[function.value], "*") ? null : local.patterns[function.value]
          path_template_match = strcontains(local.patterns[function.value], "*") ? local.patterns[function.value] : null
          header_matches {
            header_name = ":method"
            exact_match = "OPTIONS"
          }
          header_matches {
            header_name = "access-control-request-method"
            exact_match = var.functions[function.value].method
          }
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = alltrue([for pattern in values(local.patterns) : can(regex("^(/([A-Za-z0-9_.-]+|\\*))+$", pattern))])
      error_message = "A path parameter is a whole segment: the load balancer knows no other."
    }
  }
}

locals {
  backends = { for name, each in google_compute_backend_service.function : name => "projects/${var.project}/global/backendServices/${each.name}" }
  # The leanest public reply there is.
  fallback = one([for name, each in var.functions : name if each.path == "/v1/ticket-keys"])
}

# Plain HTTP is answered with where to go instead.
resource "google_compute_url_map" "http" {
  name = "marquee-http"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "MOVED_PERMANENTLY_DEFAULT"
    strip_query            = false
  }
}

resource "google_compute_global_address" "this" {
  name = "marquee"
}

resource "google_compute_managed_ssl_certificate" "this" {
  name = "marquee"

  managed {
    domains = [var.domain]
  }
}

resource "google_compute_ssl_policy" "modern" {
  name            = "marquee"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "this" {
  name             = "marquee"
  url_map          = google_compute_url_map.https.id
  ssl_certificates = [google_compute_managed_ssl_certificate.this.id]
  ssl_policy       = google_compute_ssl_policy.modern.id
}

resource "google_compute_target_http_proxy" "this" {
  name    = "marquee-http"
  url_map = google_compute_url_map.http.id
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "marquee"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.this.id
}

resource "google_compute_global_forwarding_rule" "http" {
  name                  = "marquee-http"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  port_range            = "80"
  target                = google_compute_target_http_proxy.this.id
}

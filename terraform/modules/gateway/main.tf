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

  # A path parameter is one segment, whatever its name.
  pattern = { for name, each in var.functions : name => replace(each.path, "/\\{[^}]+\\}/", "*") }
  head    = { for name, pattern in local.pattern : name => split("*", pattern)[0] }
  open    = { for name, pattern in local.pattern : name => can(regex("^[^*]+/[*](/[*])*$", pattern)) }

  # Of templates a path matcher takes a hundred (infra/agreement.py, limits). Where all parameters come last and nothing
  # else begins alike, what comes before them says enough: the function itself refuses longer paths.
  kind = { for name, pattern in local.pattern : name => (
    !strcontains(pattern, "*") ? "full" :
    local.open[name] && length(distinct([for other, each in local.pattern : each if local.open[other] && local.head[other] == local.head[name]])) == 1 ? "prefix" :
    "template"
  ) }

  # One function of each path takes the methods that no other one has: a HEAD goes where GET goes, and what is not
  # supported gets that function's 405.
  rest = { for pattern in distinct(values(local.pattern)) : pattern => split(" ", sort([
    for name, each in local.pattern : "${var.functions[name].method == "GET" ? 1 : 2} ${name}" if each == pattern
  ])[0])[1] }

  # The first rule that fits is taken: whole paths, then templates, then prefixes; and within these a fixed segment goes
  # before a parameter. "*" sorts before every letter, so it is exchanged for something that sorts behind.
  order = [for key in sort([for name, pattern in local.pattern :
    "${local.rank[local.kind[name]]} ${replace(pattern, "*", "~")} ${local.rest[pattern] == name ? 2 : 1} ${name}"
  ]) : split(" ", key)[3]]
  rank = { full = 1, template = 2, prefix = 3 }

  preflight = 1 # the priority of the rule for browsers that ask before they call
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
  enable_cdn            = each.value.cached
  security_policy       = var.armor ? "projects/${var.project}/global/securityPolicies/${google_compute_security_policy.class[local.class[each.key]].name}" : null

  backend {
    group = "projects/${var.project}/regions/${var.region}/networkEndpointGroups/${google_compute_region_network_endpoint_group.function[each.key].name}"
  }

  # The function decides by Cache-Control (docs/caching.md); without it nothing is kept, no error is, and nothing is
  # served after its end.
  dynamic "cdn_policy" {
    for_each = each.value.cached ? [true] : []
    content {
      cache_mode         = "USE_ORIGIN_HEADERS"
      negative_caching   = false
      request_coalescing = true
      serve_while_stale  = 0
      cache_key_policy {
        include_host         = true
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
    # It answers what no rule fits with the usual 404 problem document, and costs no read.
    default_service = local.backends[local.fallback]

    # Every function answers a browser's question before its call alike, so one of them does it for all.
    route_rules {
      priority = local.preflight
      service  = local.backends[local.fallback]

      match_rules {
        prefix_match = "/"
        header_matches {
          header_name = ":method"
          exact_match = "OPTIONS"
        }
      }
    }

    dynamic "route_rules" {
      for_each = local.order
      iterator = function
      content {
        priority = local.preflight + 1 + function.key
        service  = local.backends[function.value]

        match_rules {
          full_path_match     = local.kind[function.value] == "full" ? local.pattern[function.value] : null
          path_template_match = local.kind[function.value] == "template" ? local.pattern[function.value] : null
          prefix_match        = local.kind[function.value] == "prefix" ? local.head[function.value] : null

          dynamic "header_matches" {
            for_each = local.rest[local.pattern[function.value]] == function.value ? [] : [var.functions[function.value].method]
            content {
              header_name = ":method"
              exact_match = header_matches.value
            }
          }
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = alltrue([for pattern in values(local.pattern) : can(regex("^(/([A-Za-z0-9_.-]+|\\*))+$", pattern))])
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

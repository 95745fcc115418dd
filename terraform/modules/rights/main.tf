# Who may do what: the rows of docs/roles.md. Each function runs as an account of its own.

locals {
  rows = merge([
    for name, grants in var.grants : {
      for each in grants : "${name} ${each.role} ${each.on}" => {
        function = name
        role     = each.role
        kind     = split(":", each.on)[0]
        of       = try(split(":", each.on)[1], "")
      }
    }
  ]...)
  # Rights that would be far too large as one of Google's roles.
  custom = {
    marqueePush = {
      title       = "Sends push messages"
      permissions = ["cloudmessaging.messages.create"]
    }
    marqueeSignOut = {
      title       = "Revokes refresh tokens"
      permissions = ["firebaseauth.users.get", "firebaseauth.users.update"]
    }
    marqueePurge = {
      title       = "Invalidates what the CDN keeps"
      permissions = ["compute.urlMaps.get", "compute.urlMaps.invalidateCache"]
    }
  }
  of_kind = { for kind in ["database", "project", "topic", "queues", "secret", "invoker"] :
    kind => { for key, row in local.rows : key => row if row.kind == kind }
  }
  # Said from their names, so that a plan shows who is who before anything exists.
  emails  = { for name, account in google_service_account.function : name => "${account.account_id}@${var.project}.iam.gserviceaccount.com" }
  invoker = "${google_service_account.invoker.account_id}@${var.project}.iam.gserviceaccount.com"

  on_queues = merge([
    for key, row in local.of_kind.queues : { for name, queue in var.queues : "${key} ${name}" => merge(row, { queue = queue }) }
  ]...)
}

resource "google_service_account" "function" {
  for_each = var.grants

  # Account names have 6 to 30 characters: a longer function is cut and keeps a mark of its whole name.
  account_id   = length(each.key) <= 27 ? "fn-${replace(each.key, "_", "-")}" : "fn-${replace(substr(each.key, 0, 20), "_", "-")}-${substr(sha1(each.key), 0, 6)}"
  display_name = each.key
}

resource "google_service_account" "invoker" {
  account_id   = "invoker"
  display_name = "Calls the private functions, for Pub/Sub, Cloud Tasks, Eventarc and Scheduler"
}

resource "google_project_iam_custom_role" "custom" {
  for_each = local.custom

  role_id     = each.key
  title       = each.value.title
  permissions = each.value.permissions
}

resource "google_project_iam_member" "database" {
  for_each = local.of_kind.database

  project = var.project
  role    = each.value.role
  member  = "serviceAccount:${local.emails[each.value.function]}"

  condition {
    title      = "only-this-database"
    expression = "resource.name == \"projects/${var.project}/databases/(default)\""
  }
}

resource "google_project_iam_member" "project" {
  for_each = local.of_kind.project

  project = var.project
  role    = "projects/${var.project}/roles/${google_project_iam_custom_role.custom[each.value.role].role_id}"
  member  = "serviceAccount:${local.emails[each.value.function]}"
}

# Any function may be part of a trace. It may add spans, and read none.
resource "google_project_iam_member" "traces" {
  for_each = var.traces ? local.emails : {}

  project = var.project
  role    = "roles/telemetry.tracesWriter"
  member  = "serviceAccount:${each.value}"
}

resource "google_pubsub_topic_iam_member" "topic" {
  for_each = local.of_kind.topic

  topic  = var.topics[each.value.of]
  role   = each.value.role
  member = "serviceAccount:${local.emails[each.value.function]}"
}

resource "google_cloud_tasks_queue_iam_member" "queue" {
  for_each = local.on_queues

  name     = each.value.queue
  location = var.region
  role     = each.value.role
  member   = "serviceAccount:${local.emails[each.value.function]}"
}

resource "google_secret_manager_secret_iam_member" "secret" {
  for_each = local.of_kind.secret

  secret_id = var.secrets[each.value.of]
  role      = each.value.role
  member    = "serviceAccount:${local.emails[each.value.function]}"
}

resource "google_service_account_iam_member" "invoker" {
  for_each = local.of_kind.invoker

  service_account_id = "projects/${var.project}/serviceAccounts/${local.invoker}"
  role               = each.value.role
  member             = "serviceAccount:${local.emails[each.value.function]}"
}

# Whoever deploys attaches these accounts to services, jobs and subscriptions, and may act as no other.
resource "google_service_account_iam_member" "deployer" {
  for_each = var.deployer == null ? {} : merge(local.emails, { invoker = local.invoker })

  service_account_id = "projects/${var.project}/serviceAccounts/${each.value}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.deployer}"
}

# Eventarc delivers what it receives in the name of the invoker.
resource "google_project_iam_member" "invoker_receives_events" {
  project = var.project
  role    = "roles/eventarc.eventReceiver"
  member  = "serviceAccount:${local.invoker}"
}

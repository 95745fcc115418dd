resource "google_project_service" "used" {
  for_each = toset([
    "aiplatform", "artifactregistry", "billingbudgets", "cloudbuild", "cloudkms", "cloudresourcemanager",
    "cloudscheduler", "cloudtasks", "cloudtrace", "compute", "eventarc", "fcm", "firebase", "firebaserules",
    "firestore", "iam", "identitytoolkit", "logging", "monitoring", "pubsub", "run", "secretmanager", "storage",
    "telemetry",
  ])

  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

module "images" {
  source = "./modules/images"

  project  = var.project
  region   = var.region
  deployer = var.deployer
  bundles  = { for name, each in local.bundles : name => { path = "${var.bundles}/${each.file}", file = each.file } }

  depends_on = [google_project_service.used]
}

module "keys" {
  source = "./modules/keys"

  region         = var.region
  project_number = data.google_project.this.number
  depends_on     = [google_project_service.used]
}

module "secrets" {
  source = "./modules/secrets"

  names              = local.secrets
  region             = var.region
  key                = module.keys.ids["secrets"]
  deleted_on_destroy = var.deleted_on_destroy
}

module "firestore" {
  source = "./modules/firestore"

  region             = var.region
  indexes            = local.indexes.indexes
  overrides          = local.indexes.fieldOverrides
  rules              = file("${path.module}/../firestore.rules")
  deleted_on_destroy = var.deleted_on_destroy
  depends_on         = [google_project_service.used]
}

module "storage" {
  source = "./modules/storage"

  project            = var.project
  region             = var.region
  project_number     = data.google_project.this.number
  topic              = module.messaging.topics["media-events"]
  key                = module.keys.ids["media"]
  allowed_origins    = var.allowed_origins
  deleted_on_destroy = var.deleted_on_destroy
  depends_on         = [google_project_service.used]
}

module "rights" {
  source = "./modules/rights"

  project  = var.project
  deployer = var.deployer
  grants   = { for name, each in local.functions : name => each.grants }
  topics   = module.messaging.topics
  queues   = module.messaging.queues
  secrets  = module.secrets.ids
  region   = var.region
  traces   = var.traces != null
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name            = local.services[each.key]
  summary         = each.value.source
  region          = var.region
  image           = "${module.images.images}/${local.services[each.key]}:${substr(local.bundles[each.key].sha256, 0, 16)}"
  service_account = module.rights.accounts[each.key]
  invoker         = each.value.invoker == "public" ? "allUsers" : "serviceAccount:${module.rights.invoker}"
  is_public       = each.value.invoker == "public"
  memory_mb       = each.value.memory_mb
  timeout_s       = each.value.timeout_s
  concurrency     = each.value.concurrency
  min_instances   = max(each.value.min_instances, lookup(var.warm_instances, each.key, 0))
  max_instances   = min(each.value.max_instances, var.max_instances_ceiling)
  secrets         = { for name in each.value.secrets : name => module.secrets.ids[name] }
  settings = merge(var.settings, {
    GOOGLE_CLOUD_PROJECT    = var.project
    LOCATION                = var.region
    PUBLIC_BASE_URL         = "https://${var.domain}"
    ALLOWED_ORIGINS         = join(",", var.allowed_origins)
    CDN_URL_MAP             = "marquee"
    INVOKER_SERVICE_ACCOUNT = module.rights.invoker
    INVOKER_CHECKED_BY      = each.value.invoker == "public" ? "" : "cloud-run"
    TRACES                  = var.traces == null ? "" : "on"
    TRACE_RATIO             = var.traces == null ? "" : tostring(var.traces.ratio)
    # The name that functions fill in; the number makes it the address that Cloud Run promises to a service.
    TRIGGER_URL_TEMPLATE = "https://{service}-${data.google_project.this.number}.${var.region}.run.app"
  })

  # A revision whose account cannot read its secrets yet would not start.
  depends_on = [module.rights]
}

module "messaging" {
  source = "./modules/messaging"

  project      = var.project
  region       = var.region
  triggers     = local.triggers
  other_topics = ["media-events"]
  depends_on   = [google_project_service.used]
}

module "triggers" {
  source = "./modules/triggers"

  region         = var.region
  project_number = data.google_project.this.number
  invoker        = module.rights.invoker
  triggers       = local.triggers
  topics         = module.messaging.topics
  dead_letters   = module.messaging.dead_letters

  # What calls a service needs the service first.
  depends_on = [module.function]
}

module "gateway" {
  source = "./modules/gateway"

  project   = var.project
  region    = var.region
  domain    = var.domain
  armor     = var.armor
  functions = { for name, each in local.public : name => merge(each.route, { service = local.services[name], access = each.access, cached = each.cached }) }

  depends_on = [module.function]
}

module "sign_in" {
  source = "./modules/sign_in"

  domain      = var.domain
  origins     = var.allowed_origins
  idps        = var.sign_in_providers
  secrets     = var.sign_in_secrets
  sms_regions = var.sms_regions
  test_phones = var.environment == "prod" ? {} : var.test_phones
  depends_on  = [google_project_service.used]
}

module "observability" {
  source = "./modules/observability"

  project      = var.project
  region       = var.region
  environment  = var.environment
  domain       = var.domain
  alert_emails = var.alert_emails
  runbook_url  = var.runbook_url
  kpis         = local.kpis
  # The path of a call that costs nothing and needs nobody signed in.
  probe_path = local.functions.list_ticket_keys.route.path
  depends_on = [google_project_service.used]
}

module "budget" {
  source = "./modules/budget"

  billing_account = var.billing_account
  project_number  = data.google_project.this.number
  amount          = var.monthly_budget
  channels        = module.observability.channels
}

module "vertex" {
  source = "./modules/vertex"
  count  = var.vector_search ? 1 : 0

  region     = var.region
  project    = var.project
  depends_on = [google_project_service.used]
}

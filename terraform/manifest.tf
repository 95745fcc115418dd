# What the functions declare. Nothing below names a function: all of it follows from here.
locals {
  functions = jsondecode(file(var.manifest)).functions
  kpis      = jsondecode(file(var.manifest)).kpis
  bundles   = jsondecode(file("${var.bundles}/index.json"))
  indexes   = jsondecode(file("${path.module}/../firestore.indexes.json"))

  # Cloud Run knows no underscore.
  services = { for name in keys(local.functions) : name => replace(name, "_", "-") }
  public   = { for name, each in local.functions : name => each if each.invoker == "public" }
  triggers = { for name, each in local.functions : name => merge(each.trigger, {
    service   = local.services[name]
    timeout_s = each.timeout_s
    url       = "https://${local.services[name]}-${data.google_project.this.number}.${var.region}.run.app"
  }) if can(each.trigger) }

  secrets = toset(flatten([for each in local.functions : each.secrets]))
}

data "google_project" "this" {}

# Media: what people upload waits in one bucket until it was processed into the other.

resource "google_storage_bucket" "uploads" {
  #checkov:skip=CKV_GCP_62:Usage logs hold the addresses of people; Cloud Audit Logs say who changed what.
  #checkov:skip=CKV_GCP_78:What is uploaded lives for a day, until it was processed.

  name                        = "${var.project}-uploads"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  encryption {
    default_kms_key_name = var.key
  }

  # Nothing stays that was never processed.
  lifecycle_rule {
    condition {
      age = 1
    }
    action {
      type = "Delete"
    }
  }

  # Browsers put files there under signed addresses.
  dynamic "cors" {
    for_each = length(var.allowed_origins) > 0 ? [true] : []
    content {
      origin          = var.allowed_origins
      method          = ["PUT"]
      response_header = ["Content-Type", "x-goog-content-length-range"]
      max_age_seconds = 3600
    }
  }
}

resource "google_storage_bucket" "media" {
  #checkov:skip=CKV_GCP_62:Usage logs hold the addresses of people; Cloud Audit Logs say who changed what.

  name                        = "${var.project}-media"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.deleted_on_destroy

  encryption {
    default_kms_key_name = var.key
  }

  versioning {
    enabled = true
  }

  lifecycle_rule {
    condition {
      days_since_noncurrent_time = 30
    }
    action {
      type = "Delete"
    }
  }

  dynamic "cors" {
    for_each = length(var.allowed_origins) > 0 ? [true] : []
    content {
      origin          = var.allowed_origins
      method          = ["GET", "HEAD"]
      response_header = ["Content-Type"]
      max_age_seconds = 3600
    }
  }
}

# Cloud Storage tells of uploads in its own name.
resource "google_pubsub_topic_iam_member" "storage_tells_of_uploads" {
  topic  = var.topic
  role   = "roles/pubsub.publisher"
  member = "serviceAccount:service-${var.project_number}@gs-project-accounts.iam.gserviceaccount.com"
}

resource "google_storage_notification" "uploads" {
  bucket         = google_storage_bucket.uploads.name
  topic          = var.topic
  payload_format = "JSON_API_V1"
  event_types    = ["OBJECT_FINALIZE", "OBJECT_DELETE"]

  depends_on = [google_pubsub_topic_iam_member.storage_tells_of_uploads]
}

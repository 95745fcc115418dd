# Vector search over event embeddings. One small node is about 70 dollars a month, used or not: off by default.

resource "google_storage_bucket" "vectors" {
  #checkov:skip=CKV_GCP_62:Usage logs hold the addresses of people; Cloud Audit Logs say who changed what.
  #checkov:skip=CKV_GCP_78:It can be made again from the events.

  name                        = "${var.project}-vectors"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
}

resource "google_vertex_ai_index" "events" {
  region              = var.region
  display_name        = "events"
  description         = "Embeddings of the events that are not over."
  index_update_method = "STREAM_UPDATE"

  metadata {
    contents_delta_uri = "gs://${google_storage_bucket.vectors.name}/events"
    config {
      dimensions                  = 768
      approximate_neighbors_count = 100
      distance_measure_type       = "COSINE_DISTANCE"
      shard_size                  = "SHARD_SIZE_SMALL"
      algorithm_config {
        tree_ah_config {
          leaf_node_embedding_count    = 500
          leaf_nodes_to_search_percent = 10
        }
      }
    }
  }
}

resource "google_vertex_ai_index_endpoint" "events" {
  #checkov:skip=CKV2_GCP_34:Functions have no VPC; the endpoint takes Google identities only, and the index is of public events.

  region                  = var.region
  display_name            = "events"
  public_endpoint_enabled = true
}

resource "google_vertex_ai_index_endpoint_deployed_index" "events" {
  region            = var.region
  index_endpoint    = google_vertex_ai_index_endpoint.events.id
  index             = google_vertex_ai_index.events.id
  deployed_index_id = "events"
  display_name      = "events"

  dedicated_resources {
    min_replica_count = 1
    max_replica_count = 2
    machine_spec {
      machine_type = "e2-standard-2"
    }
  }
}

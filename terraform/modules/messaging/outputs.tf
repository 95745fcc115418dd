output "topics" {
  value = { for name, topic in google_pubsub_topic.this : name => "projects/${var.project}/topics/${topic.name}" }
}

output "dead_letters" {
  value = "projects/${var.project}/topics/${google_pubsub_topic.dead_letters.name}"
}

output "queues" {
  value = { for name, queue in google_cloud_tasks_queue.this : name => queue.name }
}

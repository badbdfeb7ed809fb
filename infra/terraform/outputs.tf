output "workspace" {
  description = "spec.workspace of an overlay's values.yaml; recipes go beside it."
  value       = "s3://${aws_s3_bucket.this["workspace"].id}/workspace"
}

output "releases" {
  description = "release.publish of a recipe, with a name and version behind it."
  value       = "s3://${aws_s3_bucket.this["releases"].id}"
}

output "role_arns" {
  description = "For the annotations of the service accounts: worker for dataengine, driver for dataengine-head and dataengine-spark."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

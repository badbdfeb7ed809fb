# Workspace: tables, media, commits. Releases: what trainers read; nothing in it is overwritten or deleted by a job.
locals {
  buckets = {
    workspace = "${var.name}-workspace"
    releases  = "${var.name}-releases"
  }
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV2_AWS_62:nothing waits for events: the scheduler knows when a stage has ended
  # checkov:skip=CKV_AWS_144:a copy in another region is for the owner to decide; it doubles the cost
  # checkov:skip=CKV_AWS_18:access is logged by the account's trail of data events
  for_each = local.buckets
  bucket   = each.value

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = aws_s3_bucket.this
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# A release that was replaced, or a table that was deleted by mistake, can be had back for thirty days.
resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each   = aws_s3_bucket.this
  bucket     = each.value.id
  depends_on = [aws_s3_bucket_versioning.this]

  # A killed upload of a large file leaves its parts, which nobody sees and everybody pays for.
  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  # The lease is written every fifteen seconds.
  rule {
    id     = "forget-old-versions-of-leases"
    status = "Enabled"

    filter {
      prefix = "workspace/lease/"
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  rule {
    id     = "forget-old-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # Old tables: cheaper, never deleted by age, for a kept release may need them.
  dynamic "rule" {
    for_each = each.key == "workspace" ? ["annotations", "dedup", "decisions", "failures", "media", "samples"] : []

    content {
      id     = "cool-${rule.value}"
      status = "Enabled"

      filter {
        prefix = "workspace/${rule.value}/"
      }

      transition {
        days          = var.cold_days
        storage_class = "STANDARD_IA"
      }
    }
  }
}

data "aws_iam_policy_document" "encrypted_transport" {
  for_each = aws_s3_bucket.this

  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id
  policy   = data.aws_iam_policy_document.encrypted_transport[each.key].json
}

# Who may do what. worker: nodes of Ray, Spark's executors. driver: heads and Spark's drivers, which also publish. reader: training.
locals {
  workspace = aws_s3_bucket.this["workspace"].arn
  releases  = aws_s3_bucket.this["releases"].arn
  accounts = {
    worker = ["dataengine"]
    driver = ["dataengine-head", "dataengine-spark"]
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.accounts

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${var.oidc_issuer}:sub"
      values   = [for account in each.value : "system:serviceaccount:${var.namespace}:${account}"]
    }

    condition {
      test     = "StringEquals"
      variable = "${var.oidc_issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "worker" {
  statement {
    sid       = "ListWorkspace"
    actions   = ["s3:ListBucket"]
    resources = [local.workspace]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["workspace", "workspace/*", "recipes/*"]
    }
  }

  # Deleting: a stage in place forgets its old commit before it writes; a run gives back its lease.
  statement {
    sid       = "UseWorkspace"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = ["${local.workspace}/workspace/*"]
  }

  statement {
    sid       = "ReadRecipes"
    actions   = ["s3:GetObject"]
    resources = ["${local.workspace}/recipes/*"]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }

  dynamic "statement" {
    for_each = var.sources

    content {
      sid       = "ListSource${statement.key}"
      actions   = ["s3:ListBucket"]
      resources = ["arn:aws:s3:::${statement.value.bucket}"]

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["${statement.value.prefix}*"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.sources

    content {
      sid       = "ReadSource${statement.key}"
      actions   = ["s3:GetObject"]
      resources = ["arn:aws:s3:::${statement.value.bucket}/${statement.value.prefix}*"]
    }
  }
}

# Publishing creates objects and never overwrites one; the marker of a publication under way is deleted at its end. A recipe's lock
# lies beside it, and a tokenizer that was fitted stays by it.
data "aws_iam_policy_document" "driver" {
  source_policy_documents = [data.aws_iam_policy_document.worker.json]

  statement {
    sid       = "ListReleases"
    actions   = ["s3:ListBucket"]
    resources = [local.releases]
  }

  statement {
    sid       = "Publish"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = ["${local.releases}/*"]
  }

  statement {
    sid       = "KeepLocks"
    actions   = ["s3:PutObject"]
    resources = ["${local.workspace}/recipes/*.lock"]
  }

  statement {
    sid       = "EndPublishing"
    actions   = ["s3:DeleteObject"]
    resources = ["${local.releases}/*/.publishing.json"]
  }
}

resource "aws_iam_role" "this" {
  for_each             = local.accounts
  name                 = "${var.name}-${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 43200
}

resource "aws_iam_role_policy" "this" {
  for_each = {
    worker = data.aws_iam_policy_document.worker.json
    driver = data.aws_iam_policy_document.driver.json
  }
  name   = "storage"
  role   = aws_iam_role.this[each.key].id
  policy = each.value
}

data "aws_iam_policy_document" "reader" {
  statement {
    sid       = "ListReleases"
    actions   = ["s3:ListBucket"]
    resources = [local.releases]
  }

  statement {
    sid       = "ReadReleases"
    actions   = ["s3:GetObject"]
    resources = ["${local.releases}/*"]
  }

  statement {
    sid       = "UseKey"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
  }
}

data "aws_iam_policy_document" "reader_trust" {
  count = length(var.readers) > 0 ? 1 : 0

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = var.readers
    }
  }
}

resource "aws_iam_role" "reader" {
  count              = length(var.readers) > 0 ? 1 : 0
  name               = "${var.name}-reader"
  assume_role_policy = data.aws_iam_policy_document.reader_trust[0].json
}

resource "aws_iam_role_policy" "reader" {
  count  = length(var.readers) > 0 ? 1 : 0
  name   = "storage"
  role   = aws_iam_role.reader[0].id
  policy = data.aws_iam_policy_document.reader.json
}

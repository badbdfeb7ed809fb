# S3 and STS inside the network, so that the pods' network policy can name them and nothing else.
data "aws_region" "this" {}

resource "aws_security_group" "endpoints" {
  # checkov:skip=CKV2_AWS_5:it is attached to the endpoints below
  count       = var.endpoint == null ? 0 : 1
  name        = "${var.name}-endpoints"
  description = "HTTPS from the jobs to the endpoints of S3 and STS"
  vpc_id      = var.endpoint.vpc_id

  ingress {
    description = "HTTPS from the network of the jobs"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = [var.endpoint.cidr]
  }
}

resource "aws_vpc_endpoint" "this" {
  for_each            = var.endpoint == null ? toset([]) : toset(["s3", "sts"])
  vpc_id              = var.endpoint.vpc_id
  service_name        = "com.amazonaws.${data.aws_region.this.name}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.endpoint.subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true

  dynamic "dns_options" {
    for_each = each.key == "s3" ? [1] : []

    content {
      private_dns_only_for_inbound_resolver_endpoint = false
    }
  }
}

variable "name" {
  description = "Prefix of all names, and of the buckets: NAME-workspace, NAME-releases."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts both buckets."
  type        = string
}

variable "sources" {
  description = "Buckets that recipes read from: name and prefix (\"\" for all of it)."
  type        = list(object({ bucket = string, prefix = string }))
  default     = []
}

variable "oidc_provider_arn" {
  description = "OIDC provider of the cluster, through which its service accounts take the roles."
  type        = string
}

variable "oidc_issuer" {
  description = "The provider's issuer, without https://."
  type        = string
}

variable "namespace" {
  description = "Kubernetes namespace of the jobs."
  type        = string
  default     = "dataengine"
}

variable "readers" {
  description = "ARNs of the roles that read releases (training)."
  type        = list(string)
  default     = []
}

variable "cold_days" {
  description = "Age at which tables move to infrequent access. They stay readable: what may be deleted, only `dataengine gc` knows."
  type        = number
  default     = 90
}

variable "endpoint" {
  description = "Where to put interface endpoints of S3 and STS, so that jobs need no route to the internet; null for none."
  type        = object({ vpc_id = string, subnet_ids = list(string), cidr = string })
  default     = null
}

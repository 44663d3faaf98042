"""The custom resources as frozen values. crds/ is generated from these models."""

GROUP = "decnet.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

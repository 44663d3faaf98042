# The same layout as the upstream image, because the upstream manifest calls these paths.
FROM scratch
COPY bin /usr/src/multus-cni/bin
COPY bin/install_multus bin/thin_entrypoint /
ENTRYPOINT ["/thin_entrypoint"]

#!/usr/bin/env bash
# Makes sure that the kind node image is there: pulled, or built from Kubernetes' Go modules and Debian
# packages where no image registry answers. Leaves its name in $WORK/node-image.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if registry_answers; then
  if ! has_image "$NODE_IMAGE"; then
    step "Pulling $NODE_IMAGE"
    logged pull-node docker pull -q "$NODE_IMAGE"
  fi
  printf '%s\n' "$NODE_IMAGE" >"$WORK/node-image"
  exit 0
fi

kubernetes=$(module_version kubernetes k8s.io/kubernetes)
# conntrack to kmod: what kubelet, kubeadm and kube-proxy look for; the rest is the node's own system.
packages=systemd,systemd-sysv,dbus,containerd,runc,containernetworking-plugins,iptables,nftables
packages+=,ethtool,socat,mount,kmod,iproute2,procps,conntrack,ca-certificates,curl,jq,hostname
inputs=("$CLUSTER_DIR"/{node-image.sh,node/Dockerfile,node/kube-proxy.Dockerfile,node/import-images.service,node/pause.c})
inputs+=("$CLUSTER_DIR"/go/{kubernetes,etcd,coredns,kind}/go.{mod,sum})
image=decnet/node:$kubernetes-$(key_of "${inputs[@]}" "$DEBIAN_SUITE")
printf '%s\n' "$image" >"$WORK/node-image"
if has_image "$image"; then exit 0; fi

go_build kubernetes kubernetes
go_build etcd etcd
go_build coredns coredns

context=$WORK/node
rm -rf "$context" && mkdir -p "$context/bin" "$context/images"
gcc -static -Os -o "$context/pause" "$CLUSTER_DIR/node/pause.c"

make_node_base() {
  mmdebstrap --variant=minbase --include="$packages" "$DEBIAN_SUITE" "$context/root.tar"
  docker import "$context/root.tar" decnet/node-base
  rm "$context/root.tar"
}
base_key=$(key_of "$packages" "$DEBIAN_SUITE")
if ! has_image decnet/node-base || [ "$(cat "$WORK/stamp/node-base" 2>/dev/null)" != "$base_key" ]; then
  step "Making the node's root file system from Debian packages (about 30 s)"
  logged node-base make_node_base
  printf '%s\n' "$base_key" >"$WORK/stamp/node-base"
fi

one_binary_image() {  # IMAGE FILE PATH-IN-IMAGE
  local dir
  dir=$(mktemp -d "$context/XXXX")
  cp "$2" "$dir/binary"
  printf 'FROM scratch\nCOPY binary %s\nENTRYPOINT ["%s"]\n' "$3" "$3" >"$dir/Dockerfile"
  build_image "$1" "$dir"
  rm -r "$dir"
}

# kubeadm decides what the control plane's images are called; we only put our binaries behind the names.
control_plane_images() {
  local image name dir
  for image in "${images[@]}"; do
    name=${image##*/} name=${name%%:*}
    case $name in
      pause) one_binary_image "$image" "$context/pause" /pause ;;
      etcd) one_binary_image "$image" "$WORK/go/etcd/server" /usr/local/bin/etcd ;;
      coredns) one_binary_image "$image" "$WORK/go/coredns/coredns" /coredns ;;
      kube-proxy)
        dir=$(mktemp -d "$context/XXXX")
        cp "$WORK/go/kubernetes/kube-proxy" "$dir/"
        cp "$CLUSTER_DIR/node/kube-proxy.Dockerfile" "$dir/Dockerfile"
        build_image "$image" "$dir"
        rm -r "$dir" ;;
      *) one_binary_image "$image" "$WORK/go/kubernetes/$name" "/usr/local/bin/$name" ;;
    esac
  done
  docker save -o "$context/images/kubernetes.tar" "${images[@]}"
}
step "Building the control plane's images"
mapfile -t images < <("$WORK/go/kubernetes/kubeadm" config images list --kubernetes-version "$kubernetes")
logged control-plane-images control_plane_images

node_image() {
  local config pause
  cp -r "$(module_dir kind sigs.k8s.io/kind)/images/base/files" "$context/files"
  chmod -R u+w "$context/files"
  cp "$WORK/go/kubernetes"/{kubeadm,kubelet,kubectl} "$context/bin/"
  cp "$CLUSTER_DIR"/node/{Dockerfile,import-images.service} "$context/"
  config=$context/files/etc/containerd/config.toml
  pause=$(printf '%s\n' "${images[@]}" | grep /pause:)
  # restrict_oom_score_adj: a host without CAP_SYS_RESOURCE cannot lower it.
  sed -i "s#sandbox_image = .*#sandbox_image = \"$pause\"#; s#restrict_oom_score_adj = false#restrict_oom_score_adj = true#" "$config"
  build_image "$image" "$context" --build-arg "KUBERNETES_VERSION=$kubernetes"
}
step "Building the node image $image"
logged node-image node_image
rm -rf "$context"

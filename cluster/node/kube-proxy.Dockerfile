# kube-proxy calls iptables and nft, so unlike the other components it needs a few of Debian's files.
FROM decnet/node-base AS debian
RUN mkdir /out \
 && cp -a --parents /usr/sbin/*tables* /etc/alternatives/*tables* /usr/sbin/nft /usr/lib/*-linux-gnu/xtables /out \
 && ldd /usr/sbin/xtables-*-multi /usr/sbin/nft /usr/lib/*-linux-gnu/xtables/*.so 2>/dev/null \
    | grep -o '/lib[^ ]*\.so[^ :]*' | sort -u | grep -v /xtables/ | xargs cp -L --parents -t /out
FROM scratch
COPY --from=debian /out /
COPY kube-proxy /usr/local/bin/kube-proxy
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENTRYPOINT ["/usr/local/bin/kube-proxy"]

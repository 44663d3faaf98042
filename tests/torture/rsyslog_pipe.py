"""The same pipe made of rsyslog: imfile, omfwd over TLS or omrelp over TLS, and a second rsyslogd with a file.

Set up as its documentation recommends for delivery that survives outages: a disk-assisted queue that is saved
at shutdown, endless retries, the file positions persisted often.
"""

from __future__ import annotations

from pathlib import Path

from lab.postgres import free_port
from torture.certificates import SERVER, Authority
from torture.daemon import Daemon
from torture.pipe import Ground, Pipe
from torture.proxy import Proxy
from torture.schedule import LISTENERS, NODES

_SENDER = """
global(workDirectory="{state}" maxMessageSize="256k" processInternalMessages="on"
       defaultNetstreamDriverCAFile="{tls}/ca.crt" defaultNetstreamDriverCertFile="{tls}/tls.crt"
       defaultNetstreamDriverKeyFile="{tls}/tls.key")
module(load="imfile" mode="inotify")
module(load="omrelp")
template(name="record" type="string" string="<134>1 - node cri - - - %$!metadata!filename% %msg%")
template(name="framed" type="string" string="<134>1 - node cri - - - %$!metadata!filename% %msg%\\n")
input(type="imfile" file="{pods}/*/*/*.log" tag="cri" addMetadata="on" reopenOnTruncate="on"
      persistStateInterval="100" escapeLF="off" ruleset="forward")
ruleset(name="forward") {{
  action({action}
         action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="2"
         queue.type="LinkedList" queue.filename="forward" queue.saveOnShutdown="on"
         queue.maxDiskSpace="1g" queue.size="20000")
}}
"""
_SENDER_ACTION = {
    "rsyslog-tls": 'type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" template="framed"'
    ' tcp_framing="octet-counted" streamDriver="gtls" streamDriverMode="1" streamDriverAuthMode="x509/name"'
    ' streamDriverPermittedPeers="{peer}"',
    "rsyslog-relp": 'type="omrelp" target="127.0.0.1" port="{port}" template="record" timeout="10" tls="on"'
    ' tls.caCert="{tls}/ca.crt" tls.myCert="{tls}/tls.crt" tls.myPrivKey="{tls}/tls.key"'
    ' tls.authMode="name" tls.permittedPeer="{peer}"',
}
_RECEIVER = """
global(workDirectory="{work}" maxMessageSize="256k"
       defaultNetstreamDriverCAFile="{tls}/ca.crt" defaultNetstreamDriverCertFile="{tls}/tls.crt"
       defaultNetstreamDriverKeyFile="{tls}/tls.key")
template(name="message" type="string" string="%msg%\\n")
{input}
ruleset(name="store") {{ action(type="omfile" file="{file}" template="message" asyncWriting="off" flushOnTXEnd="on") }}
"""
_RECEIVER_INPUT = {
    "rsyslog-tls": 'module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1"'
    ' streamDriver.authMode="x509/name" permittedPeer=[{nodes}])\n'
    'input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="store")',
    "rsyslog-relp": 'module(load="imrelp" ruleset="store")\n'
    'input(type="imrelp" address="127.0.0.1" port="{port}" maxDataSize="256k" tls="on" tls.caCert="{tls}/ca.crt"'
    ' tls.myCert="{tls}/tls.crt" tls.myPrivKey="{tls}/tls.key" tls.authMode="name" tls.permittedPeer=[{nodes}])',
}


def received(ground: Ground) -> list[Path]:
    """The files that the receivers write."""
    return [ground.folder / f"received-{n}.log" for n in range(LISTENERS)]


def rsyslog_pipe(ground: Ground, name: str) -> Pipe:
    """Start it all; `name` is `rsyslog-tls` or `rsyslog-relp`."""
    folder = ground.folder
    authority = Authority()
    authority.issue(folder / "receiver-tls", SERVER)
    ports = [free_port() for _ in range(LISTENERS)]
    links = [Proxy(ground.network, ports[n % LISTENERS]) for n in range(NODES)]
    nodes = ",".join(f'"node-{n}"' for n in range(NODES))
    receivers = []
    for n, file in enumerate(received(ground)):
        work = folder / f"receiver-{n}"
        work.mkdir()
        tls = folder / "receiver-tls"
        entry = _RECEIVER_INPUT[name].format(port=ports[n], tls=tls, nodes=nodes)
        text = _RECEIVER.format(work=work, tls=tls, file=file, input=entry)
        receivers.append(_rsyslogd(f"receiver-{n}", text, folder, ground.listener_clocks[n].environment))
    senders = []
    for n, link in enumerate(links):
        tls = folder / f"node-{n}-tls"
        authority.issue(tls, f"node-{n}")
        action = _SENDER_ACTION[name].format(port=link.port, tls=tls, peer=SERVER)
        text = _SENDER.format(state=ground.states[n].folder, tls=tls, pods=ground.pods(n), action=action)
        senders.append(_rsyslogd(f"sender-{n}", text, folder, ground.node_clocks[n].environment))
    return Pipe(ground, senders, receivers, links, ports, state_files="imfile-state*")


def _rsyslogd(name: str, configuration: str, folder: Path, environment: dict[str, str]) -> Daemon:
    file = folder / f"{name}.conf"
    file.write_text(configuration)
    pid_file = folder / f"{name}.pid"
    # It refuses to start while the file names a process, and kill -9 leaves the file behind.
    command = ["/bin/sh", "-c", f"rm -f {pid_file}; exec /usr/sbin/rsyslogd -n -f {file} -i {pid_file}"]
    return Daemon(name, command, environment, folder / f"{name}.log")

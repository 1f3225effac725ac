"""An S3 server for tests: OpenStack Swift with its S3 interface, all its parts in one process.

It checks signatures (also of presigned URLs, with their signed headers), their age, and checksums, as S3 does.

    python tests/s3/server.py FOLDER ADDRESS PORT ACCESS_KEY SECRET_KEY [CERTIFICATE KEY]

It prints a line when it listens, and ends with its parent process or by a signal.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from eventlet import wsgi  # noqa: E402
from swift.common import utils  # noqa: E402
from swift.common.ring.ring import RingData  # noqa: E402
from swift.common.storage_policy import reload_storage_policies  # noqa: E402
from swift.common.wsgi import ConfigString, loadapp  # noqa: E402

_POWER = 2
_PIPELINE = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = ERROR
log_address = {folder}/log
[pipeline:main]
pipeline = {pipeline}
[app:{name}-server]
use = egg:swift#{name}
{more}
"""
_PROXY = """
account_autocreate = true
allow_account_management = true
node_timeout = 60
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:tempauth]
use = egg:swift#tempauth
account_autocreate = true
user_{account}_{user} = {secret} .admin
"""


def main(folder: Path, address: str, port: int, access_key: str, secret_key: str, *tls: str) -> None:
    """Serves until a signal comes."""
    account, _, user = access_key.partition(":")
    (folder / "devices" / "disk").mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = only\ndefault = yes\n"
    )
    utils.SWIFT_CONF_FILE = str(folder / "swift.conf")
    utils.validate_hash_conf()
    reload_storage_policies()
    for name in ("account", "container", "object"):
        listening = eventlet.listen(("127.0.0.1", 0))
        device = {
            "id": 0,
            "zone": 0,
            "region": 1,
            "weight": 1,
            "device": "disk",
            "ip": "127.0.0.1",
            "port": listening.getsockname()[1],
            "replication_ip": "127.0.0.1",
            "replication_port": listening.getsockname()[1],
        }
        RingData([[0] * 2**_POWER], [device], 32 - _POWER).save(str(folder / f"{name}.ring.gz"))
        _serve(listening, _application(folder, name, f"{name}-server"))
    more = _PROXY.format(account=account, user=user, secret=secret_key)
    front = eventlet.listen((address, port))
    if tls:
        front = eventlet.wrap_ssl(front, certfile=tls[0], keyfile=tls[1], server_side=True)
    proxy = _application(folder, "proxy", "catch_errors s3api tempauth bulk slo proxy-server", more)
    running = _serve(front, proxy)
    print("listening", flush=True)
    running.wait()


def _application(folder: Path, name: str, pipeline: str, more: str = "") -> object:
    text = _PIPELINE.format(folder=folder, name=name, pipeline=pipeline, more=more)
    return loadapp(ConfigString(text), global_conf={"log_name": name})


def _serve(listening: object, application: object) -> eventlet.greenthread.GreenThread:
    return eventlet.spawn(wsgi.server, listening, application, log=None, log_output=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:])

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Describe the artifacts of a flavour: metadata.json, a LAVA job and a tuxrun command line.

  artifacts.py FLAVOUR DIRECTORY PLACE

The files are in DIRECTORY.  The job names them by URL: $ARTIFACTS_URL, where a lab has
uploaded them, or PLACE on this machine.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from lib import ARCH, BUILD, TOP, setting

LINUX = setting("LINUX")
SELFTESTS = "/opt/kselftests/default-in-kernel"
COLLECTIONS = ["filesystems/file_handle", "pidfd", "namespaces"]
# It recycles all process numbers, which takes minutes under emulation.
SKIPPED = ["pidfd:pidfd_test"]
PROGRAM_LIMIT = 600

# The device of tuxrun, LAVA's architecture, the machine and processor of QEMU, the console.
DEVICES = {
    "x86_64": ("qemu-x86_64", "x86_64", "q35", "Nehalem", "ttyS0"),
    "arm": ("qemu-armv7", "arm", "virt", "cortex-a15", "ttyAMA0"),
    "s390": ("qemu-s390", "s390x", "s390-ccw-virtio", "max", "ttysclp0"),
}

JOB = """\
# SPDX-License-Identifier: GPL-2.0
# Boot the kernel in QEMU in a LAVA lab, and run its selftests.  For another device, change
# device_type, context and the images.
device_type: qemu
job_name: "file handles: {flavour} on {arch}"
priority: medium
visibility: public

context:
  arch: {lava_arch}
  machine: {machine}
  cpu: "{cpu}"
  memory: 1024
  extra_options: ["-smp 2", "-no-reboot"]
  no_kvm: true

metadata:
  base: "{base}"
  commit: "{commit}"
  flavour: "{flavour}"

timeouts:
  job:
    minutes: 60
  action:
    minutes: 10
  connection:
    minutes: 5

actions:
- deploy:
    to: tmpfs
    timeout:
      minutes: 10
    os: oe
    images:
      kernel:
        image_arg: '-kernel {{kernel}} -append "console={console} panic=-1"'
        url: "{url}/{kernel}"
      rootfs:
        image_arg: "-initrd {{rootfs}}"
        url: "{url}/rootfs.cpio.gz"
        compression: gz
        format: cpio.newc
        overlays:
          lava: true
          modules:
            url: "{url}/modules.tar.xz"
            format: tar
            compression: xz
            path: /
          kselftest:
            url: "{url}/kselftest.tar.xz"
            format: tar
            compression: xz
            path: {selftests}/

- boot:
    method: qemu
    timeout:
      minutes: 10
    media: tmpfs
    auto_login:
      login_prompt: "login:"
      username: root
    prompts:
    - 'root@(.*):[/~]#'

- test:
    timeout:
      minutes: 40
    definitions:
    - from: inline
      name: kselftest
      path: inline/kselftest.yaml
      repository:
        metadata:
          format: Lava-Test Test Definition 1.0
          name: kselftest
          description: "Run the selftests of file handles"
        run:
          steps:
          # The kernel writes to the same console as the tests.
          - dmesg -n 4
          - export RUST_EXPORTFS_MODULE=$(find /lib/modules -name 'rust_exportfs.ko*' | head -n 1)
          - cd {selftests}
          - |
            cat > /tmp/report.awk << 'END'
{report}
            END
          - ./run_kselftest.sh -f -o {limit} {collections} 2>&1 | awk -f /tmp/report.awk
"""

TUXRUN = """\
#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the selftests with tuxrun: tuxrun.sh [ARGUMENT of tuxrun...]
# tuxrun needs podman or docker, or lava-dispatcher with --runtime null. Tried with
# tuxrun 1.11.0.
here=$(cd "$(dirname "$0")" && pwd)
exec tuxrun --device {device} --tuxmake "$here" --rootfs "file://$here/rootfs.cpio.gz" \\
	--overlay "file://$here/kselftest.tar.xz" {selftests}/ \\
	--timeouts commands=40 --parameters command-name=kselftest "$@" -- \\
	{command}
"""


def git(tree, *args):
    return subprocess.run(["git", "-C", tree, *args], stdout=subprocess.PIPE, text=True,
                          check=False).stdout.strip()


def version(command):
    """The first line that a tool of setup.sh prints of itself."""
    run = subprocess.run(["bash", "-c", f'. "$0" && {command} --version', BUILD / "env.sh"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return run.stdout.partition("\n")[0]


def chosen():
    """What run_kselftest.sh is to run."""
    return " ".join([*(f"-c {name}" for name in COLLECTIONS), *(f"-S {name}" for name in SKIPPED)])


def metadata(flavour, directory):
    """As metadata.json of TuxMake, with what this repository adds."""
    config = (directory / "config").read_text()
    release = (BUILD / flavour / "include/config/kernel.release").read_text().strip()
    files = sorted(path.name for path in directory.iterdir())
    kernel = next(name for name in files if name.endswith("Image"))
    return {
        "metadata_file_version": 0,
        "build": {"target_arch": ARCH, "status": "PASS", "kconfig": flavour,
                  "toolchain": "llvm", "targets": ["kernel", "modules", "kselftest"]},
        "source": {"kernelversion": git(LINUX, "log", "-1", "--format=%s", "base"),
                   "base": git(LINUX, "rev-parse", "base"),
                   "series": git(LINUX, "rev-parse", "series"),
                   "repository_commit": git(TOP, "rev-parse", "HEAD"),
                   "dirty": bool(git(TOP, "status", "--porcelain"))},
        "compiler": {"cc": version("clang${LLVM#1}"), "rustc": version("rustc"),
                     "bindgen": version("bindgen"), "ld": version("ld.lld${LLVM#1}")},
        "flavour": flavour,
        "release": release,
        "rust": "CONFIG_RUST=y" in config,
        "results": {"status": "PASS",
                    "artifacts": {"kernel": [kernel], "modules": ["modules.tar.xz"],
                                  "kselftest": ["kselftest.tar.xz"], "config": ["config"],
                                  "rootfs": ["rootfs.cpio.gz"], "debugkernel": [],
                                  "system_map": ["System.map"]}},
    }


def job(flavour, data, url):
    _, lava_arch, machine, cpu, console = DEVICES[ARCH]
    report = (TOP / "scripts/lab/report.awk").read_text().rstrip("\n")
    # In a block of YAML, a tab may not come before the text.
    report = re.sub(r"^\t+", lambda tabs: "  " * len(tabs[0]), report, flags=re.M)
    return JOB.format(
        flavour=flavour, arch=ARCH, lava_arch=lava_arch, machine=machine, cpu=cpu,
        console=console, base=data["source"]["kernelversion"],
        commit=data["source"]["repository_commit"], url=url,
        kernel=data["results"]["artifacts"]["kernel"][0], selftests=SELFTESTS,
        limit=PROGRAM_LIMIT, collections=chosen(),
        report="\n".join(" " * 12 + line if line else "" for line in report.splitlines()))


def tuxrun():
    command = f"cd {SELFTESTS} && ./run_kselftest.sh -o {PROGRAM_LIMIT} {chosen()}"
    return TUXRUN.format(device=DEVICES[ARCH][0], selftests=SELFTESTS,
                         command=shlex.quote(command))


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    flavour, directory, place = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    data = metadata(flavour, directory)
    (directory / "metadata.json").write_text(json.dumps(data, indent=1) + "\n")
    url = os.environ.get("ARTIFACTS_URL") or f"file://{place}"
    (directory / "lava-job.yaml").write_text(job(flavour, data, url.rstrip("/")))
    script = directory / "tuxrun.sh"
    script.write_text(tuxrun())
    script.chmod(0o755)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares `drsync hosts` with `ansible-inventory`, value for value.

Usage: tests/ansible_inventory.py DRSYNC_BINARY ANSIBLE_INVENTORY_BINARY

Every folder of tests/ansible_corpus and inventories/demo must give the same `--list` and `--graph`;
every folder of tests/ansible_corpus_refused must end with exit code 8 and a place.
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PLACE = "--> "


class Programs:
    """The two programs, run where neither group_vars nor settings of anybody lie about."""

    def __init__(self, drsync, ansible, folder):
        self.drsync = str(Path(drsync).resolve())
        self.ansible = str(Path(ansible).absolute())
        self.folder = folder
        settings = Path(folder, "ansible.cfg")
        settings.touch()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "DRSYNC_"))}
        self.environment = {
            **kept,
            "ANSIBLE_CONFIG": str(settings),
            "HOME": folder,
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(self.ansible).parent}:{kept.get('PATH', '')}",
        }

    def run(self, *command):
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, encoding="utf-8"
        )

    def hosts(self, flag, path):
        return self.run(self.drsync, "hosts", flag, str(path))

    def inventory(self, flag, path):
        return self.run(self.ansible, "-i", str(path), flag)


def difference(wanted, found, path="$"):
    """Says where two pages of JSON first differ, or returns None."""
    steps = []
    if isinstance(wanted, dict) and isinstance(found, dict):
        if wanted.keys() != found.keys():
            return f"{path}: only one has {sorted(wanted.keys() ^ found.keys())}"
        steps = [(key, wanted[key], found[key]) for key in wanted]
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        steps = [(index, *pair) for index, pair in enumerate(zip(wanted, found))]
    # Python's == does not tell 1 from 1.0 and from True.
    elif type(wanted) is not type(found) or repr(wanted) != repr(found):
        return f"{path}: wanted {wanted!r}, found {found!r}"
    for key, inner, other in steps:
        if said := difference(inner, other, f"{path}.{key}"):
            return said
    return None


def agrees(programs, ours, theirs):
    """Compares what drsync says of the path `ours` with what Ansible says of `theirs`."""
    for flag in ("--list", "--graph"):
        found, wanted = programs.hosts(flag, ours), programs.inventory(flag, theirs)
        if wanted.returncode != 0:
            return f"ansible-inventory {flag} failed: {wanted.stderr.strip()}"
        if found.returncode != 0:
            return f"drsync {flag} ended with {found.returncode}: {found.stderr.strip()}"
        if flag == "--graph" and found.stdout != wanted.stdout:
            return f"--graph of {ours} differs"
        if flag == "--list":
            said = difference(json.loads(wanted.stdout), json.loads(found.stdout))
            if said:
                return f"--list of {ours} differs at {said}"
    return None


def is_refused(programs, path):
    """Checks that drsync refuses the inventory and says where the mistake is."""
    found = programs.hosts("--list", path)
    if found.returncode != 8:
        return f"drsync ended with {found.returncode}, not 8"
    return None if PLACE in found.stderr else "drsync names no place"


def folders(name):
    """Returns the cases below tests/`name`."""
    return sorted(path for path in (TESTS / name).iterdir() if path.is_dir())


def cases(programs):
    """Yields the name of every case with its check."""
    for folder in folders("ansible_corpus"):
        file = folder / "hosts.yaml"
        yield f"{folder.name}/hosts.yaml", lambda f=file: agrees(programs, f, f)
        yield folder.name, lambda f=folder: agrees(programs, f, f)
    demo = TESTS.parent / "inventories" / "demo"
    # Ansible would take all the other files of the folder for inventories too.
    yield "demo", lambda: agrees(programs, demo, demo / "hosts.yaml")
    for folder in folders("ansible_corpus_refused"):
        yield f"refused: {folder.name}", lambda f=folder: is_refused(programs, f)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = Programs(sys.argv[1], sys.argv[2], folder)
        running = [(name, pool.submit(check)) for name, check in cases(programs)]
        failed = [(name, said) for name, check in running if (said := check.result())]
    for name, said in failed:
        print(f"{name}: {' '.join(said.split())[:400]}")
    print(f"{len(running) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

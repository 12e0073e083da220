"""A task's remote large tier, where its ``large/remote.yaml`` asks for one."""

from __future__ import annotations

from pathlib import Path

from gateway.task import TaskSpec
from gateway.tiers.forms import Forms
from gateway.tiers.large.remote.configuration import chosen_upstreams, load_remote_task, load_upstreams, remote_path
from gateway.tiers.large.remote.tier import RemoteLargeTier
from gateway.tiers.large.remote.upstreams import Upstreams


def load_remote_large(models: Path, task: TaskSpec, forms: Forms, upstreams: Upstreams) -> RemoteLargeTier:
    """The remote large tier of a task. No upstream is called for it.

    Raises:
        UpstreamFileError: ``remote.yaml`` or ``upstreams.yaml`` cannot be used.
        ModelMissing: a secret is not in the environment.
    """
    path = remote_path(models)
    remote = load_remote_task(path)
    chosen = chosen_upstreams(remote, load_upstreams(upstreams.path), path, task.prices.currency)
    return RemoteLargeTier(task, remote, chosen, upstreams, forms)

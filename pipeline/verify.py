"""`python -m pipeline verify`: does dvc.lock tell the truth about the files here? Nothing is run or changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.lockfile import recorded_names

HASH_DIGITS_SHOWN = 8


def verify() -> list[str]:
    """Compare every hash, size and parameter in dvc.lock with the files here, and print what differs.

    An output that is not here yet (a fresh clone) is counted, not a difference; its recorded hash is still compared
    with what later stages recorded of it.

    Returns:
        One line per difference; empty where dvc.lock, dvc.yaml, params.yaml, code and outputs belong together.

    Raises:
        UserError: dvc.yaml, params.yaml or dvc.lock cannot be read.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(_wait_for_lock=True) as repo, repo.lock:
            audit = _Audit(repo)
            differences = list(audit.differences())
    except DvcException as error:
        raise UserError(str(error)) from error
    for line in differences:
        print(line)
    print(f"{audit.num_stages} stages, {audit.num_compared} hashes compared, {len(differences)} differences")
    if audit.absent:
        print(f"not here (dvc pull or make repro): {len(audit.absent)} outputs, {min(audit.absent)} the first")
    return differences


class _Audit:
    """One pass over the stages; counts as it goes."""

    def __init__(self, repo: Any) -> None:
        self.stages = repo.stage.load_all()
        self.recorded = recorded_names(repo)
        self.outputs = {out.fs_path: out for stage in self.stages for out in stage.outs}
        self.num_stages = len(self.stages)
        self.num_compared = 0
        self.absent: set[str] = set()

    def differences(self) -> Iterator[str]:
        """One line each: entries without a stage, stages without an entry, then what differs within the stages."""
        for name in sorted({*self.recorded} - {stage.name for stage in self.stages}):
            yield f"{name}: stands in dvc.lock, but is no stage of dvc.yaml"
        for stage in self.stages:
            if stage.name in self.recorded:
                yield from dict.fromkeys(f"{stage.name}: {line}" for line in self._of_stage(stage))
            else:
                yield f"{stage.name}: has no entry in dvc.lock"

    def _of_stage(self, stage: Any) -> Iterator[str]:
        from dvc.dependency import ParamsDependency

        if stage.cmd_changed:
            yield "its command in dvc.yaml differs from the recorded one"
        for dependency in stage.deps:
            if isinstance(dependency, ParamsDependency):
                yield from self._of_params(dependency)
            elif dependency.fs_path in self.outputs:
                self.num_compared += 1
                if dependency.hash_info != self.outputs[dependency.fs_path].hash_info:
                    yield f"was made from another {dependency} than dvc.lock records where it is made"
            elif not dependency.exists:
                yield f"{dependency} is missing"
            elif not self._lacks_outputs(dependency):
                yield from self._of_file(dependency)
        for output in stage.outs:
            if output.exists:
                yield from self._of_file(output)
            elif output.use_cache:
                self.absent.add(str(output))
            else:
                yield f"{output} is missing; git keeps it"

    def _lacks_outputs(self, folder: Any) -> bool:
        """Whether outputs of other stages belong into this folder and are not here: it cannot be compared then."""
        inside = (out for path, out in self.outputs.items() if Path(folder.fs_path) in Path(path).parents)
        return any(out.use_cache and not out.exists for out in inside)

    def _of_params(self, dependency: Any) -> Iterator[str]:
        self.num_compared += len(dependency.params)
        for path, keys in dependency.workspace_status().items():
            if isinstance(keys, str):
                yield f"{path} is {keys}"
            else:
                yield from (f"{path}: {key} is {how}" for key, how in keys.items())

    def _of_file(self, file: Any) -> Iterator[str]:
        self.num_compared += 1
        found = file.get_hash()
        if file.hash_info != found:
            yield f"{file} differs: recorded {_short(file.hash_info)}, found {_short(found)}"
            return
        meta = file.get_meta()
        for what in ("size", "nfiles"):
            recorded, here = getattr(file.meta, what), getattr(meta, what)
            if None not in (recorded, here) and recorded != here:
                yield f"{file} differs in {what}: recorded {recorded}, found {here}"


def _short(hash_info: Any) -> str:
    return hash_info.value[:HASH_DIGITS_SHOWN] if hash_info else "nothing"

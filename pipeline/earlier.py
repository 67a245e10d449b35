"""What stood here before a run. DVC takes a stage's outputs away before it runs it; where it fails, they come back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.files import whole_file
from pipeline.lockfile import stage_names


class Earlier:
    """The outputs of all stages as they are now, to be put back where a run takes them away and makes no new ones."""

    def __init__(self, repo: Any) -> None:
        from dvc.stage import PipelineStage

        stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
        self.repo = repo
        self.outputs = {stage.name: [Path(out.fs_path) for out in stage.outs] for stage in stages}
        self.complete = {name for name in self.outputs if self._is_complete(name)}
        # DVC's cache has the others
        self.uncached = {
            stage.name: {Path(out.fs_path): Path(out.fs_path).read_bytes() for out in stage.outs if not out.use_cache}
            for stage in stages
            if stage.name in self.complete
        }

    def put_back(self) -> list[str]:
        """Put back what is gone, stage by stage, and say so; returns the stages whose outputs were gone."""
        from dvc.exceptions import DvcException

        gone = [name for name in self.outputs if name in self.complete and not self._is_complete(name)]
        back = []
        for name in gone:
            for path, content in self.uncached[name].items():
                with whole_file(path) as aside:
                    aside.write_bytes(content)
            try:
                self.repo.checkout(targets=[name], force=True)
                back.append(name)
            except DvcException as error:
                print(f"{name}: its earlier outputs cannot be put back: {error}", flush=True)
        if back:
            print(f"as they were before: the outputs of {', '.join(back)}", flush=True)
        return gone

    def _is_complete(self, name: str) -> bool:
        return all(path.exists() for path in self.outputs[name])


def with_dependents(repo: Any, names: Sequence[str]) -> list[str]:
    """Stages, and those that need what they make, directly or not; all in the order of dvc.yaml."""
    graph = repo.index.graph  # from each stage to those it needs
    found, stages = set(names), [stage for stage in graph if getattr(stage, "name", None) in names]
    while stages:
        needing = {one for stage in stages for one in graph.predecessors(stage)}
        stages = [one for one in needing if one.name not in found]
        found |= {one.name for one in stages}
    return [name for name in stage_names(repo) if name in found]

"""Views of pipelines, and their configurations. Part of `Reads`."""

from sqlalchemy import select

from herder.control.access.access_check import OF_KIND, check
from herder.control.jobs import pipelines
from herder.control.kernel.core import Core
from herder.model.permissions import Action, Kind, Principal
from herder.store.rows import tables as t
from herder.wire.api.resources import Page
from herder.wire.pipelines import PipelineView


class PipelineReads:
    _core: Core

    def pipelines(self, who: Principal) -> Page:
        """Those that `who` may read, by name, without their configurations."""
        check(who, Action.SEE, OF_KIND[Kind.BATCH])
        found = [view for _, view in sorted(pipelines.seen(self._core, who).items())]
        return Page(items=found, total=len(found))

    async def pipeline(self, who: Principal, name: str) -> PipelineView:
        """With its configuration. Raises NotKnown."""
        core = self._core
        check(who, Action.SEE, OF_KIND[Kind.BATCH])
        of_file = core.state.sharing.pipeline(name)
        if of_file is not None:
            return pipelines.view_of_file(of_file, of_file.config)
        pipelines.own(core, who, name, Action.SEE)
        await core.settle()
        record = pipelines.own(core, who, name, Action.SEE)
        query = select(t.pipelines.c.config).where(t.pipelines.c.name == name)
        config = await core.read(lambda connection: connection.execute(query).scalar())
        return pipelines.view_of(record, str(config or ""))

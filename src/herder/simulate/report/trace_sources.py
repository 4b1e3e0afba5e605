"""Origin and licence of the public traces, by format, for reports. Keep in step with `excerpts/README.md`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    about: str
    licence: str


ORIGINS: dict[str, Origin] = {
    "surf": Origin("SURF Lisa cluster, AtLarge Research (VU Amsterdam), from OpenDC", "MIT"),
    "metacentrum": Origin("MetaCentrum 2013, CESNET, via Alea (D. Klusáček)", "LGPL"),
    "openb": Origin("Alibaba GPU cluster 2023, Weng et al., USENIX ATC 2023", "Apache-2.0"),
    "bitbrains": Origin("Bitbrains 2013, AtLarge Research (VU Amsterdam), from OpenDC", "MIT"),
    "helios": Origin("Helios (SenseTime Earth) 2020, Hu et al., SC 2021", "MIT"),
    "azure_llm": Origin("Azure LLM inference 2023, Patel et al., Splitwise, ISCA 2024", "CC BY 4.0"),
    "spot_events": Origin("Bamboo, Thorpe et al., NSDI 2023", "MIT"),
    "spot_count": Origin("Bamboo, Thorpe et al., NSDI 2023", "MIT"),
    "wfformat": Origin("WfCommons, WfInstances", "LGPL-3.0"),
}
UNKNOWN = Origin("not known: no public trace of this format ships with Herder", "not known")

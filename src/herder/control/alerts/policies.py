"""The policies that are in force: the documented ones with what herder.yaml says."""

from dataclasses import replace

from herder.ledger.alerts.documented import DOCUMENTED, with_thresholds
from herder.ledger.alerts.policies import Policy
from herder.model.work.alerts import AlertRules


def policies_of(rules: AlertRules) -> tuple[Policy, ...]:
    found = []
    for policy in DOCUMENTED:
        if policy.id in rules.off:
            continue
        own = with_thresholds(policy, rules.thresholds.get(policy.id, {}))
        found.append(
            replace(
                own,
                cooldown_ms=round(rules.cooldown_s * 1000),
                escalates_after_ms=round(rules.escalate_after_s * 1000),
                chain=own.chain if rules.chain is None else rules.chain,
            )
        )
    return tuple(found)

"""What scales workloads, keeps enough of them running, and watches them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from mlguard.scanners import lazy
from mlguard.scanners.infra.kubernetes.joins import MAX_SELECTING, Named, Selecting
from mlguard.scanners.infra.kubernetes.objects import Object, listed, mapping, plain, same_namespace, unknown, vague
from mlguard.scanners.infra.kubernetes.pods import LONG_RUNNING, Pod

AUTOSCALERS = ("HorizontalPodAutoscaler", "ScaledObject", "MultidimPodAutoscaler", "PodAutoscaler", "HTTPScaledObject")
_MONITORS = ("ServiceMonitor", "VMServiceScrape")
_POD_MONITORS = ("PodMonitor", "PodMonitoring", "ClusterPodMonitoring", "VMPodScrape")
_SCRAPED = lazy.pattern(r"(?:^|/)(?:scrape|enable-prometheus-scraping|enable-metric-aggregation)$")
_OBSERVED = lazy.pattern(
    r"^(?:sidecar\.opentelemetry\.io/inject|instrumentation\.opentelemetry\.io/inject-\w+|ad\.datadoghq\.com/.*|k8s\.grafana\.com/scrape|metrics\.dapr\.io/.*"
    r"|prometheus\.io/(?:port|path)|newrelic\.io/scrape)$"
)


class Scaling:
    """Autoscalers, disruption budgets and monitors, found by what they are about."""

    def __init__(self, by_kind: Mapping[str, list[Object]], named: Named) -> None:
        self._named = named
        self._kinds = by_kind
        self._any: list[Object] = []  # what they scale is not known, so it may be each
        self._scalers: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for kind in AUTOSCALERS:
            for one in by_kind.get(kind, ()):
                self._scalers[target_of(one)].append(one)
                if unknown(one.at("spec", "scaleTargetRef", "name")) or unknown(one.at("spec", "scaleTargetRef")):
                    self._any.append(one)
        self._budgets = Selecting((one, _selector(one)) for one in by_kind.get("PodDisruptionBudget", ()))
        self._monitored_services = Selecting(
            (_anywhere(one), _selector(one)) for kind in _MONITORS for one in by_kind.get(kind, ())
        )
        self._monitored_pods = Selecting(
            (_anywhere(one), _selector(one)) for kind in _POD_MONITORS for one in by_kind.get(kind, ())
        )

    def scaler(self, one: Object) -> Object | None:
        """Return the autoscaler of a workload."""
        own = self._scalers.get((one.kind, one.name), ())
        return next((each for each in (*own, *self._any[:1]) if same_namespace(each, one)), None)

    def budget(self, one: Object, pod: Pod) -> bool:
        """Say whether a disruption budget keeps some of the pods."""
        return bool(self._budgets.picking(one, pod.labels))

    def monitored(self, one: Object, pod: Pod, services: list[Object]) -> bool:
        """Say whether something collects the metrics of the pods: a note on pod or service, or a monitor that picks one."""
        notes = [pod.annotations, mapping(one.at("metadata", "annotations"))]
        notes += [mapping(service.at("metadata", "annotations")) for service in services]
        if any(
            (_SCRAPED.search(key) and plain(value).lower() == "true") or _OBSERVED.match(key)
            for held in notes
            for key, value in held.items()
        ):
            return True
        if self._monitored_pods.picking(one, pod.labels):
            return True
        return any(
            self._monitored_services.picking(service, mapping(service.at("metadata", "labels"))) for service in services
        )

    def problems(self, one: Object) -> dict[str, Any]:
        """Return what is wrong with an autoscaler: ``dangling`` and ``fixed``, each a word or ""."""
        kind, name = target_of(one)
        held = self._kinds.get(kind, [])
        dangling = (
            kind in LONG_RUNNING
            and bool(name)
            and self._named.get(kind, name, one) is None
            and any(same_namespace(one, other) and not other.fragment for other in held[:MAX_SELECTING])
        )
        spec = mapping(one.at("spec"))
        least, most = (
            spec.get("minReplicas", spec.get("minReplicaCount")),
            spec.get("maxReplicas", spec.get("maxReplicaCount")),
        )
        least = 1 if least is None and one.kind == "HorizontalPodAutoscaler" else least
        fixed = isinstance(least, int) and isinstance(most, int) and least >= most
        return {"dangling": name if dangling else "", "fixed": str(most) if fixed else ""}


def target_of(one: Object) -> tuple[str, str]:
    """Return kind and name of what an autoscaler scales."""
    target = mapping(one.at("spec", "scaleTargetRef"))
    return plain(target.get("kind")) or "Deployment", plain(target.get("name"))


def _selector(one: Object) -> dict[str, Any]:
    """Return the selector of an object; one that is not known may pick everything."""
    selector = one.at("spec", "selector")
    return {} if vague(selector) else mapping(selector)


def _anywhere(one: Object) -> Object:
    """Return a monitor as one that may look into other namespaces, where it says so."""
    from mlguard.values import replace

    selector = mapping(one.at("spec", "namespaceSelector"))
    wide = selector.get("any") is True or listed(selector.get("matchNames")) or one.kind.startswith("Cluster")
    return replace(one, namespace="") if wide else one

"""The feature gates of Kubernetes 1.36: which exist, which are on, what each needs.

Every component of Kubernetes knows every gate, and people hand one list to all of them, so a kubelet meets the
scheduler's gates too. Gates that change what a kubelet does carry their state in 1.36; the others, which here need only
be known, may still have their state of 1.35.

Upstream: `pkg/features/kube_features.go` and `staging/src/k8s.io/component-base/featuregate`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from kubeletsim.base.suggestion import did_you_mean
from kubeletsim.config.schema.types import join_path
from kubeletsim.model.errors import Fault


class Maturity(Enum):
    """How far a feature has come."""

    ALPHA = "alpha"
    BETA = "beta"
    GA = "GA"
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True)
class FeatureGate:
    """A gate as compiled in: its state unless something says otherwise, and whether anything may."""

    name: str
    maturity: Maturity
    default: bool
    locked: bool
    needs: tuple[str, ...] = ()
    """Gates that must be on while this one is."""


_GA_LOCKED_ON = """
    APIServerTracing AnonymousAuthConfigurableEndpoints AnyVolumeDataSource AuthorizeNodeWithSelectors
    AuthorizeWithSelectors BtreeWatchCache CPUManagerPolicyOptions CRDValidationRatcheting CSIMigrationPortworx
    ConsistentListFromCache CustomResourceFieldSelectors DisableAllocatorDualWrite DynamicResourceAllocation
    ExecProbeTimeout HonorPVReclaimPolicy ImageMaximumGCAge ImageVolume InPlacePodVerticalScaling
    JobBackoffLimitPerIndex JobManagedBy JobPodReplacementPolicy JobSuccessPolicy KubeletCgroupDriverFromCRI
    KubeletFineGrainedAuthz KubeletTracing LogarithmicScaleDown MatchLabelKeysInPodAffinity MemoryManager
    MultiCIDRServiceAllocator NFTablesProxyMode NodeInclusionPolicyInPodTopologySpread NodeLogQuery NodeSwap
    OrderedNamespaceDeletion PodLifecycleSleepAction PodLifecycleSleepActionAllowZero PodObservedGenerationTracking
    PodSchedulingReadiness PreferSameTrafficDistribution RecoverVolumeExpansionFailure RecursiveReadOnlyMounts
    RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation ResilientWatchCacheInitialization
    RetryGenerateName SchedulerQueueingHints SeparateTaintEvictionController ServiceAccountTokenJTI
    ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation ServiceAccountTokenPodNodeInfo
    ServiceTrafficDistribution SidecarContainers StreamingCollectionEncodingToJSON
    StreamingCollectionEncodingToProtobuf StructuredAuthenticationConfiguration StructuredAuthorizationConfiguration
    SupplementalGroupsPolicy SystemdWatchdog TopologyAwareHints UserNamespacesSupport VolumeAttributesClass WinDSR
    WinOverlay
"""
_GA_ON = "CustomCPUCFSQuotaPeriod InformerResourceVersion TopologyManagerPolicyOptions"
_BETA_ON = """
    APIResponseCompression APIServerIdentity AllowParsingUserUIDFromCertAuth
    AuthorizePodWebsocketUpgradeCreatePermission CPUManagerPolicyBetaOptions CSIServiceAccountTokenSecrets
    ClearingNominatedNodeNameAfterBinding ComponentFlagz ComponentStatusz ContainerCheckpoint ContainerRestartRules
    ContextualLogging DRAAdminAccess DRAPrioritizedList DRAResourceClaimDeviceStatus DRASchedulerFilterTimeout
    DeclarativeValidation DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency
    DisableCPUQuotaWithExclusiveCPUs EnvFiles ExtendWebSocketsToKubelet ExternalServiceAccountTokenSigner
    GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority HPAConfigurableTolerance HostnameOverride
    InOrderInformers InOrderInformersBatchProcess InPlacePodLevelResourcesVerticalScaling KubeletCrashLoopBackOffMax
    KubeletEnsureSecretPulledImages KubeletPSI KubeletPodResourcesDynamicResources KubeletPodResourcesGet
    KubeletSeparateDiskGC KubeletServiceAccountTokenForCredentialProviders ListFromCacheSnapshot LoggingBetaOptions
    MatchLabelKeysInPodTopologySpread MatchLabelKeysInPodTopologySpreadSelectorMerge MaxUnavailableStatefulSet
    MutableCSINodeAllocatableCount NodeDeclaredFeatures NominatedNodeNameForExpectation OpenAPIEnums
    OpportunisticBatching PLEGOnDemandRelist PodDeletionCost PodLevelResources PodReadyToStartContainersCondition
    PodTopologyLabelsAdmission PortForwardWebsockets PreventStaticPodAPIReferences ProcMountType
    ReloadKubeletClientCAFile ReloadKubeletServerCertificateFile RemoteRequestHeaderUID
    RestartAllContainersOnContainerExits RotateKubeletServerCertificate SELinuxChangePolicy
    SELinuxMountReadWriteOncePod SchedulerAsyncPreemption SchedulerPopFromBackoffQ
    ServiceAccountNodeAudienceRestriction SizeBasedListCostEstimate StatefulSetSemanticRevisionComparison
    StorageVersionHash StructuredAuthenticationConfigurationEgressSelector
    StructuredAuthenticationConfigurationJWKSMetrics TokenRequestServiceAccountUIDValidation
    TopologyManagerPolicyBetaOptions TranslateStreamCloseWebsocketRequests UnauthenticatedHTTP2DOSMitigation
    WatchList WatchListClient WindowsGracefulNodeShutdown
"""
_BETA_OFF = """
    CRDObservedGenerationTracking ClusterTrustBundle ClusterTrustBundleProjection ConcurrentWatchObjectDecode
    CoordinatedLeaderElection DeclarativeValidationTakeover LocalStorageCapacityIsolationFSQuotaMonitoring
    MutatingAdmissionPolicy PodCertificateRequest SELinuxMount SchedulerAsyncAPICalls StorageVersionMigrator
    WatchCacheInitializationPostStartHook
"""
# The reference for 1.36 spells RuntimeClassInImageCriApi in two ways; either is taken.
_ALPHA_OFF = """
    APIServingWithRoutine AllowUnsafeMalformedObjectDeletion CBORServingAndStorage CPUManagerPolicyAlphaOptions
    CRIListStreaming CSIVolumeHealth ClientsAllowCBOR ClientsPreferCBOR
    CloudControllerManagerWatchBasedRoutesReconciliation CloudControllerManagerWebhook ConstrainedImpersonation
    ContainerStopSignals CrossNamespaceVolumeDataSource DRAConsumableCapacity DRADeviceBindingConditions
    DRADeviceTaintRules DRADeviceTaints DRAExtendedResource DRAPartitionableDevices EventedPLEG GangScheduling
    GenericWorkload HPAScaleToZero ImageVolumeWithDigest InPlacePodVerticalScalingExclusiveCPUs
    InPlacePodVerticalScalingExclusiveMemory InTreePluginPortworxUnregister KubeletInUserNamespace
    LoggingAlphaOptions MemoryQoS MutablePVNodeAffinity MutablePodResourcesForSuspendedJobs
    MutableSchedulingDirectivesForSuspendedJobs PodAndContainerStatsFromCRI PodLogsQuerySplitStreams PodsAPI
    QOSReserved ReduceDefaultCrashLoopBackOffDecay RelaxedServiceNameValidation ResourceHealthStatus
    RuntimeClassInImageCriAPI RuntimeClassInImageCriApi StorageCapacityScoring StorageVersionAPI
    StrictIPCIDRValidation TaintTolerationComparisonOperators TopologyManagerPolicyAlphaOptions
    UnknownVersionInteroperabilityProxy UserNamespacesHostNetworkSupport VolumeLimitScaling
    WindowsCPUAndMemoryAffinity
"""
_DEPRECATED_ON = """
    DisableNodeKubeProxyVersion KubeletPodResourcesListUseActivePods SeparateCacheWatchRPC StorageNamespaceIndex
"""
_DEPRECATED_OFF = """
    AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests ChangeContainerStatusOnKubeletRestart
    GitRepoVolumeDriver InPlacePodVerticalScalingAllocatedStatus KMSv1 KubeletRegistrationGetOnExistsOnly
    WindowsHostNetwork
"""
_DEPRECATED_LOCKED_OFF = "AllowOverwriteTerminationGracePeriodSeconds WatchFromStorageWithoutResourceVersion"
_STATES = (
    (_GA_LOCKED_ON, Maturity.GA, True, True),
    (_GA_ON, Maturity.GA, True, False),
    (_BETA_ON, Maturity.BETA, True, False),
    (_BETA_OFF, Maturity.BETA, False, False),
    (_ALPHA_OFF, Maturity.ALPHA, False, False),
    ("AggregatedDiscoveryRemoveBetaType", Maturity.DEPRECATED, True, True),
    (_DEPRECATED_ON, Maturity.DEPRECATED, True, False),
    (_DEPRECATED_OFF, Maturity.DEPRECATED, False, False),
    (_DEPRECATED_LOCKED_OFF, Maturity.DEPRECATED, False, True),
)
_NEEDS = {
    "AuthorizeNodeWithSelectors": ("AuthorizeWithSelectors",),
    "ClusterTrustBundleProjection": ("ClusterTrustBundle",),
    "DRAAdminAccess": ("DynamicResourceAllocation",),
    "DRAConsumableCapacity": ("DynamicResourceAllocation",),
    "DRADeviceBindingConditions": ("DRAResourceClaimDeviceStatus", "DynamicResourceAllocation"),
    "DRADeviceTaintRules": ("DRADeviceTaints",),
    "DRADeviceTaints": ("DynamicResourceAllocation",),
    "DRAExtendedResource": ("DynamicResourceAllocation",),
    "DRAPartitionableDevices": ("DynamicResourceAllocation",),
    "DRAPrioritizedList": ("DynamicResourceAllocation",),
    "DRASchedulerFilterTimeout": ("DynamicResourceAllocation",),
    "DeclarativeValidationTakeover": ("DeclarativeValidation",),
    "DisableAllocatorDualWrite": ("MultiCIDRServiceAllocator",),
    "GangScheduling": ("GenericWorkload",),
    "GracefulNodeShutdownBasedOnPodPriority": ("GracefulNodeShutdown",),
    "ImageVolumeWithDigest": ("ImageVolume",),
    "InPlacePodLevelResourcesVerticalScaling": (
        "InPlacePodVerticalScaling",
        "NodeDeclaredFeatures",
        "PodLevelResources",
    ),
    "InPlacePodVerticalScalingAllocatedStatus": ("InPlacePodVerticalScaling",),
    "InPlacePodVerticalScalingExclusiveCPUs": ("InPlacePodVerticalScaling",),
    "InPlacePodVerticalScalingExclusiveMemory": ("InPlacePodVerticalScaling", "MemoryManager"),
    "MatchLabelKeysInPodTopologySpreadSelectorMerge": ("MatchLabelKeysInPodTopologySpread",),
    "PodCertificateRequest": ("AuthorizeNodeWithSelectors",),
    "PodLifecycleSleepActionAllowZero": ("PodLifecycleSleepAction",),
    "ProcMountType": ("UserNamespacesSupport",),
    "ResourceHealthStatus": ("DynamicResourceAllocation",),
    "RestartAllContainersOnContainerExits": ("ContainerRestartRules", "NodeDeclaredFeatures"),
    "ServiceAccountTokenNodeBinding": ("ServiceAccountTokenNodeBindingValidation",),
    "StorageVersionAPI": ("APIServerIdentity",),
    "StructuredAuthenticationConfigurationEgressSelector": ("StructuredAuthenticationConfiguration",),
    "StructuredAuthenticationConfigurationJWKSMetrics": ("StructuredAuthenticationConfiguration",),
    "UnknownVersionInteroperabilityProxy": ("APIServerIdentity",),
    "UserNamespacesHostNetworkSupport": ("UserNamespacesSupport",),
    "WindowsCPUAndMemoryAffinity": ("MemoryManager",),
    "WindowsGracefulNodeShutdown": ("GracefulNodeShutdown",),
}
KNOWN_GATES: Mapping[str, FeatureGate] = MappingProxyType(
    {
        name: FeatureGate(name, maturity, default, locked, _NEEDS.get(name, ()))
        for names, maturity, default, locked in _STATES
        for name in names.split()
    }
)
_BY_MATURITY = {"AllAlpha": Maturity.ALPHA, "AllBeta": Maturity.BETA}
"""The two pseudo-gates that switch every gate of a maturity which is not named itself."""


class FeatureGates:
    """The gates as they stand with a configuration's `featureGates` applied."""

    def __init__(self, settings: Mapping[str, bool]) -> None:
        self._settings = dict(settings)

    def enabled(self, name: str) -> bool:
        """Tell whether a known gate is on; locked ones never leave their default.

        Raises:
            KeyError: there is no such gate, which is a slip of whoever asks.
        """
        gate = KNOWN_GATES[name]
        if gate.locked:
            return gate.default
        group = next((group for group, maturity in _BY_MATURITY.items() if maturity is gate.maturity), "")
        return self._settings.get(name, self._settings.get(group, gate.default))

    def all_enabled(self) -> frozenset[str]:
        """Return the names of all gates that are on."""
        return frozenset(name for name in KNOWN_GATES if self.enabled(name))

    def faults(self) -> Iterator[Fault]:
        """Name the settings a kubelet refuses: unknown gates, locked gates moved, needs not met."""
        for name, setting in self._settings.items():
            if name in _BY_MATURITY:
                continue
            gate = KNOWN_GATES.get(name)
            path = join_path("featureGates", name)
            if gate is None:
                yield Fault(path, setting, "no such feature gate in Kubernetes 1.36" + did_you_mean(name, KNOWN_GATES))
            elif gate.locked and setting is not gate.default:
                yield Fault(path, setting, f"must be {str(gate.default).lower()}: the gate is locked")
        for gate in KNOWN_GATES.values():
            missing = [need for need in gate.needs if not self.enabled(need)]
            if missing and self.enabled(gate.name):
                rule = f"must be false, or {', '.join(missing)} must be true: the gate depends on it"
                yield Fault(join_path("featureGates", gate.name), True, rule)

{{/* A name of images.* with the registry in front: include "decnet.image" (list $ .Values.images.platform) */}}
{{- define "decnet.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ index . 1 }}
{{- end -}}

{{/* Labels of an object: include "decnet.labels" (list $ "listener") */}}
{{- define "decnet.labels" -}}
{{- $root := index . 0 -}}
{{ include "decnet.selector" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: decnet
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{/* The labels that never change: include "decnet.selector" (list $ "listener") */}}
{{- define "decnet.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: decnet
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of a pod; `metrics` ports are found by the last one. */}}
{{- define "decnet.podLabels" -}}
{{ include "decnet.selector" . }}
app.kubernetes.io/part-of: decnet
{{- end -}}


{{/* The container's part of the same. */}}
{{- define "decnet.restrictedContainer" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a component may run: include "decnet.placement" .Values.api */}}
{{- define "decnet.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Makes the tables before a component that needs them starts; an advisory lock lets one at a time do it. */}}
{{- define "decnet.migrate" -}}
- name: migrate
  image: {{ include "decnet.image" (list . .Values.images.platform) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [decnet-intel, migrate]
  env:
    {{- include "decnet.databaseEnv" . | nindent 4 }}
  {{- include "decnet.restrictedContainer" . | nindent 2 }}
  resources:
    requests: {cpu: 25m, memory: 64Mi}
    limits: {memory: 256Mi}
{{- end -}}

{{- define "decnet.databaseEnv" -}}
- name: DECNET_DATABASE_URL
  valueFrom: {secretKeyRef: {name: decnet-intel, key: database-url}}
{{- end -}}

{{/* Restarts pods when the database they were started with is no longer the one they should use. */}}
{{- define "decnet.databaseChecksum" -}}
decnet.io/database: {{ .Values.postgres.externalUrl | default "bundled" | sha256sum | trunc 12 | quote }}
{{- end -}}

{{/* Health of a component that serves it on its port `metrics`: include "decnet.probes" "metrics" */}}
{{- define "decnet.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 2
  timeoutSeconds: 3
{{- end -}}

{{/* Pod settings of the restricted Pod Security Standard. Service links are off because the variables that
     Kubernetes makes of a Service decnet-listener have the names of our settings. */}}
{{- define "decnet.restrictedPod" -}}
{{ include "decnet.pod" . }}
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "decnet.pod" -}}
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What listener and API may reach: DNS and the database. An external one has an address we do not know. */}}
{{- define "decnet.databaseEgress" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- if .Values.postgres.externalUrl }}
- ports: [{port: {{ regexFind ":[0-9]+" (urlParse .Values.postgres.externalUrl).host | trimPrefix ":" | default "5432" }}}]
{{- else }}
- to:
    - podSelector:
        matchLabels: {{ include "decnet.selector" (list . "postgres") | nindent 10 }}
  ports: [{port: 5432}]
{{- end }}
{{- end -}}

{{/* Label selector of the nodes that become SwarmHosts by themselves; empty: none do. */}}
{{- define "decnet.enrolSelector" -}}
{{- if .Values.swarmHosts.autoEnrol -}}
{{- $terms := list }}
{{- range $key, $value := .Values.swarmHosts.nodeSelector }}{{ $terms = append $terms (printf "%s=%s" $key $value) }}{{ end -}}
{{- join "," $terms | default "!node-role.kubernetes.io/control-plane" -}}
{{- end -}}
{{- end -}}

{{/* Where artifacts are kept, for the store and for the API. */}}
{{- define "decnet.artifactsEnv" -}}
- {name: DECNET_ARTIFACTS_DIR, value: /var/lib/decnet/artifacts}
{{- with .Values.artifacts.s3 }}
{{- if .endpoint }}
- {name: DECNET_ARTIFACTS_S3_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: DECNET_ARTIFACTS_S3_BUCKET, value: {{ required "artifacts.s3.bucket: name the bucket" .bucket | quote }}}
- {name: DECNET_ARTIFACTS_S3_REGION, value: {{ .region | quote }}}
{{- $secret := required "artifacts.s3.secretName: name the Secret with access-key and secret-key" .secretName }}
- name: DECNET_ARTIFACTS_S3_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: access-key}}
- name: DECNET_ARTIFACTS_S3_SECRET_KEY
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: secret-key}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "decnet.artifactsVolume" -}}
- name: artifacts
  {{- if .Values.artifacts.hostPath }}
  hostPath: {path: {{ .Values.artifacts.hostPath }}, type: DirectoryOrCreate}
  {{- else }}
  persistentVolumeClaim: {claimName: decnet-artifacts}
  {{- end }}
{{- end -}}

{{/* The node of the store, for those that share its volume, when only one node can have it. */}}
{{- define "decnet.besideArtifacts" -}}
{{- if and (not .Values.artifacts.s3.endpoint) (or .Values.artifacts.hostPath (not (has "ReadWriteMany" .Values.artifacts.accessModes))) }}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{ include "decnet.selector" (list . "artifacts") | nindent 12 }}
{{- end }}
{{- end -}}

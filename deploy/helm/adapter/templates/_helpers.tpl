{{- define "adapter.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "adapter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "adapter.labels" -}}
{{ include "adapter.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "adapter.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* What every container of ours is allowed: nothing but its own files. */}}
{{- define "adapter.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "adapter.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* The settings file: the values' settings over what the chart decides. */}}
{{- define "adapter.settings" -}}
{{- $chart := dict
  "listen" (dict "xroad" "0.0.0.0:8080" "core" "0.0.0.0:8081" "ops" "0.0.0.0:9090" "drain" "5s")
  "log" (dict "dir" "/tmp/logs" "systems" (dict "emta" (dict "sinks" (list "tables")) "paasuke" (dict "sinks" (list "tables"))))
-}}
{{- toYaml (mustMergeOverwrite $chart (deepCopy .Values.settings)) -}}
{{- end -}}

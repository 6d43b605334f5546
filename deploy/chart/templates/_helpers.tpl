{{- define "holdover.name" -}}
{{- if contains "holdover" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-holdover" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "holdover.selector" -}}
app.kubernetes.io/name: holdover
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "holdover.labels" -}}
{{ include "holdover.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{- define "holdover.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end -}}
{{- end }}

{{- define "holdover.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "holdover.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "holdover.secretFiles" -}}
{{- with .Values.secrets.existingSecret }}
- secret: { name: {{ . }} }
{{- end }}
{{- with .Values.postgresql }}{{ if .existingSecret }}
- secret: { name: {{ .existingSecret }}, items: [{ key: {{ .key }}, path: HOLDOVER_TRAFFIC_URL }] }
{{- end }}{{ end }}
{{- end }}

{{- define "holdover.hasSecrets" -}}
{{- if or .Values.secrets.existingSecret .Values.postgresql.existingSecret }}yes{{ end -}}
{{- end }}

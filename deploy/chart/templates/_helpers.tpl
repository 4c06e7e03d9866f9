{{- define "name" -}}
dualstack-operator
{{- end -}}

{{- define "labels" -}}
app.kubernetes.io/name: {{ include "name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "image" -}}
{{ .Values.image.repository }}{{ hasPrefix "sha256:" .Values.image.tag | ternary "@" ":" }}{{ .Values.image.tag }}
{{- end -}}

{{- define "proberImage" -}}
{{- if .Values.prober.enabled -}}
{{- if .Values.prober.image -}}
{{ .Values.prober.image }}
{{- else if not .Values.image.pullSecrets -}}
{{ include "image" . }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "landscape" -}}
{{- if not (has .Values.landscape (list "gardener" "standalone")) -}}
{{- fail (printf "landscape %q: must be gardener or standalone" .Values.landscape) -}}
{{- end -}}
{{ .Values.landscape }}
{{- end -}}

{{- define "priorityClassName" -}}
{{ .Values.priorityClassName | default (eq .Values.landscape "gardener" | ternary "gardener-system-900" "") }}
{{- end -}}

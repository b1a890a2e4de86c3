{{/* Names are <release>-<part>, or <release>-roomwarden-<part> unless the release already says roomwarden. */}}
{{- define "roomwarden.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "roomwarden.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What selects the pods of one stage; takes (dict "root" $ "stage" NAME). */}}
{{- define "roomwarden.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .stage }}
{{- end -}}

{{/* Helm reads whole numbers above a million as floats; without this they would be written as 1.048576e+06. */}}
{{- define "roomwarden.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* Does the account log in with a certificate? */}}
{{- define "roomwarden.mutual" -}}
{{- if and (eq .Values.kafka.securityProtocol "SSL") .Values.kafka.account.secret -}}yes{{- end -}}
{{- end -}}

{{/* Variables that come from Secrets; takes (dict "root" $ "stage" NAME). */}}
{{- define "roomwarden.secrets" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $secret := $kafka.account.secret | replace "{stage}" .stage -}}
{{- if hasPrefix "SASL" $kafka.securityProtocol }}
- name: ROOMWARDEN_KAFKA_USERNAME
  value: {{ $kafka.account.username | replace "{stage}" .stage }}
- name: ROOMWARDEN_KAFKA_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $kafka.account.passwordKey }}}
{{- else if and (eq (include "roomwarden.mutual" .root) "yes") $kafka.account.keyPasswordKey }}
- name: ROOMWARDEN_KAFKA_KEY_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $kafka.account.keyPasswordKey }}}
{{- end }}
{{- with .root.Values.signing.existingSecret }}
- name: ROOMWARDEN_SIGNING_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $.root.Values.signing.key }}}
{{- end }}
{{- end -}}

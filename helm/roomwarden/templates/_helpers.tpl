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
{{- else if or (kindIs "map" .) (kindIs "slice" .) -}}
{{- toJson . -}}
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
{{- if and $.root.Values.signing.auditKey (eq $.stage "judge") }}
- name: ROOMWARDEN_AUDIT_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $.root.Values.signing.auditKey }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Tag of the image; pods with GPUs take the variant with CUDA. Takes (dict "root" $ "gpus" NUMBER). */}}
{{- define "roomwarden.tag" -}}
{{- $tag := .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- ternary (printf "%s%s" $tag .root.Values.image.gpuSuffix) $tag (gt .gpus 0) -}}
{{- end -}}

{{/* Resources with the GPUs among the limits; takes (dict "resources" MAP "gpus" NUMBER). */}}
{{- define "roomwarden.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if gt .gpus 0 -}}
{{- $limits := merge (dict "nvidia.com/gpu" .gpus) ($resources.limits | default dict) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Everything that the schema cannot see, because two values decide it together. */}}
{{- define "roomwarden.check" -}}
{{- $partitions := int .Values.topics.partitions -}}
{{- range $stage := list "segment" "listen" "judge" -}}
{{- $values := index $.Values.stages $stage -}}
{{- $most := ternary (int $values.autoscaling.max) (int $values.replicas) $values.autoscaling.enabled -}}
{{- $name := ternary "autoscaling.max" "replicas" $values.autoscaling.enabled -}}
{{- if gt $most $partitions -}}
{{- fail (printf "stages.%s.%s is %d, but topics.partitions is %d: a partition is read by one worker, so %d would have nothing to do; raise topics.partitions before the first start, or lower it" $stage $name $most $partitions (sub $most $partitions)) -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (gt (int $values.autoscaling.min) (int $values.autoscaling.max)) -}}
{{- fail (printf "stages.%s.autoscaling.min is above autoscaling.max" $stage) -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (not $.Values.autoscaling.prometheus) -}}
{{- fail (printf "stages.%s.autoscaling follows roomwarden_lag_seconds: name the Prometheus that has it in autoscaling.prometheus" $stage) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.topics.strimzi.users (not .Values.topics.strimzi.enabled) -}}
{{- fail "topics.strimzi.users: needs topics.strimzi.enabled" -}}
{{- end -}}
{{- if and .Values.topics.strimzi.users (eq .Values.kafka.securityProtocol "PLAINTEXT") -}}
{{- fail "topics.strimzi.users: a PLAINTEXT listener knows no users; set kafka.securityProtocol to SASL_SSL or SSL" -}}
{{- end -}}
{{- if .Values.settings.device -}}
{{- if and (eq .Values.settings.device "cuda") (not .Values.stages.listen.gpus) -}}
{{- fail "settings.device is cuda, but stages.listen.gpus is 0: give the pods a GPU, which also sets the device" -}}
{{- end -}}
{{- end -}}
{{- end -}}

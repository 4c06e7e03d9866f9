// Drives k8s.io/client-go with protobuf bodies through create, get, list, update, patch, watch and delete of the types
// that controllers write, and prints one line for each type: "<type>: ok" or what differs.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// object is a pointer to a typed object.
type object interface {
	metav1.Object
	runtime.Object
}

// verbs are the methods of a typed client.
type verbs[T object, L runtime.Object] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Get(context.Context, string, metav1.GetOptions) (T, error)
	List(context.Context, metav1.ListOptions) (L, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
	Patch(context.Context, string, types.PatchType, []byte, metav1.PatchOptions, ...string) (T, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// collection is a client of a type that can be deleted as a collection.
type collection interface {
	DeleteCollection(context.Context, metav1.DeleteOptions, metav1.ListOptions) error
}

var ctx = context.Background()

func main() {
	// The only content type: an answer in any other fails, so nothing falls back to JSON.
	config := &rest.Config{Host: os.Args[1], ContentConfig: rest.ContentConfig{
		ContentType: "application/vnd.kubernetes.protobuf", AcceptContentTypes: "application/vnd.kubernetes.protobuf"}}
	clients, err := kubernetes.NewForConfig(config)
	must(err)
	core, meta, now := clients.CoreV1(), metav1.ObjectMeta{Name: "it"}, metav1.Now().Rfc3339Copy()
	labels, one := map[string]string{"app": "it"}, int32(1)
	selector, yes, holder := &metav1.LabelSelector{MatchLabels: labels}, true, "me"
	micro := metav1.NewMicroTime(time.Unix(1_750_000_000, 123_456_000))
	pod := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: "it", Image: "it:1", Ports: []corev1.ContainerPort{{ContainerPort: 80}},
		Env:           []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}}},
		LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(80)}}},
		Resources:     corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("100m")}},
		VolumeMounts:  []corev1.VolumeMount{{Name: "v", MountPath: "/v"}},
	}}, Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}}}}}}
	reference := corev1.ObjectReference{Kind: "Node", Name: "it", UID: "u-1"}

	all("Lease", clients.CoordinationV1().Leases("default"), &coordinationv1.Lease{ObjectMeta: meta,
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &one, RenewTime: &micro}})
	all("Event", core.Events("default"), &corev1.Event{ObjectMeta: meta, InvolvedObject: reference, Reason: "R", Message: "m",
		Type: "Normal", Count: 1, FirstTimestamp: now, Source: corev1.EventSource{Component: "c"}})
	all("events.k8s.io Event", clients.EventsV1().Events("default"), &eventsv1.Event{ObjectMeta: meta, EventTime: micro,
		Regarding: reference, Reason: "R", Note: "n", Action: "A", Type: "Normal", ReportingController: "c", ReportingInstance: "i"})
	all("ServiceAccount", core.ServiceAccounts("default"), &corev1.ServiceAccount{ObjectMeta: meta, AutomountServiceAccountToken: &yes})
	all("Secret", core.Secrets("default"), &corev1.Secret{ObjectMeta: meta, Type: "Opaque", Data: map[string][]byte{"a": {0, 255}}})
	all("ConfigMap", core.ConfigMaps("default"), &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"a": "ü"}, BinaryData: map[string][]byte{"b": {7}}})
	all("Node", core.Nodes(), &corev1.Node{ObjectMeta: meta, Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "k", Effect: "NoSchedule", TimeAdded: &now}}}})
	all("Namespace", core.Namespaces(), &corev1.Namespace{ObjectMeta: meta})
	all("Service", core.Services("default"), &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: labels, ClusterIP: "None",
		ClusterIPs: []string{"None"}, IPFamilies: []corev1.IPFamily{"IPv4"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}}}})
	all("Endpoints", core.Endpoints("default"), &corev1.Endpoints{ObjectMeta: meta, Subsets: []corev1.EndpointSubset{{Addresses: []corev1.EndpointAddress{{IP: "10.0.0.1"}}}}})
	all("Pod", core.Pods("default"), &corev1.Pod{ObjectMeta: meta, Spec: pod.Spec})
	all("Deployment", clients.AppsV1().Deployments("default"), &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector, Template: pod}})
	all("DaemonSet", clients.AppsV1().DaemonSets("default"), &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: pod}})
	all("StatefulSet", clients.AppsV1().StatefulSets("default"), &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: pod}})
	all("ReplicaSet", clients.AppsV1().ReplicaSets("default"), &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Selector: selector, Template: pod}})
	all("ControllerRevision", clients.AppsV1().ControllerRevisions("default"), &appsv1.ControllerRevision{ObjectMeta: meta, Revision: 3, Data: runtime.RawExtension{Raw: []byte(`{"a":1}`)}})
	all("Job", clients.BatchV1().Jobs("default"), &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: pod}})
	all("EndpointSlice", clients.DiscoveryV1().EndpointSlices("default"), &discoveryv1.EndpointSlice{ObjectMeta: meta, AddressType: "IPv6",
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"fd00::1"}, Conditions: discoveryv1.EndpointConditions{Ready: &yes}}}})
	max := intstr.FromString("50%")
	all("PodDisruptionBudget", clients.PolicyV1().PodDisruptionBudgets("default"), &policyv1.PodDisruptionBudget{ObjectMeta: meta, Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &max, Selector: selector}})
	all("ClusterRole", clients.RbacV1().ClusterRoles(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, Resources: []string{"pods"}, APIGroups: []string{""}}}})

	definitions, err := apiextensions.NewForConfig(config)
	must(err)
	minimum, preserve := float64(1.5), true
	all("CustomResourceDefinition", definitions.ApiextensionsV1().CustomResourceDefinitions(), &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets.example.com"}, Spec: apiextensionsv1.CustomResourceDefinitionSpec{Group: "example.com",
			Scope: "Namespaced", Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Kind: "Widget"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true, Schema: &apiextensionsv1.CustomResourceValidation{
				OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &preserve, Properties: map[string]apiextensionsv1.JSONSchemaProps{
					"a": {Type: "number", Minimum: &minimum, Default: &apiextensionsv1.JSON{Raw: []byte("2")}, Enum: []apiextensionsv1.JSON{{Raw: []byte(`"x"`)}}},
					"b": {Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &apiextensionsv1.JSONSchemaProps{Type: "string"}}},
					"c": {Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: &apiextensionsv1.JSONSchemaProps{Type: "integer"}}},
				}}}}}}})
	statusAndScale(clients, meta, pod, selector)
	metadataAlone(config, core.ConfigMaps("default"))
	_, err = core.ConfigMaps("default").Get(ctx, "nothing", metav1.GetOptions{})
	report("Status", errors.IsNotFound(err), err)
}

// all goes through every verb of a type.
func all[T object, L runtime.Object](name string, client verbs[T, L], body T) {
	seen, err := client.Watch(ctx, metav1.ListOptions{})
	must(err)
	defer seen.Stop()
	made, err := client.Create(ctx, body, metav1.CreateOptions{})
	if err != nil {
		report(name+" create", false, err)
		return
	}
	key := made.GetName()
	found, err := client.Get(ctx, key, metav1.GetOptions{})
	changed := made.GetResourceVersion() != found.GetResourceVersion() // by a controller, which writes its status
	report(name+" get", err == nil && (changed || apiequality.Semantic.DeepEqual(made, found)), err, made, found)
	_, err = client.List(ctx, metav1.ListOptions{})
	report(name+" list", err == nil, err)
	found.SetLabels(map[string]string{"updated": "yes"})
	updated, err := client.Update(ctx, found, metav1.UpdateOptions{})
	report(name+" update", err == nil && updated.GetLabels()["updated"] == "yes", err)
	patched, err := client.Patch(ctx, key, types.MergePatchType, []byte(`{"metadata":{"labels":{"patched":"yes"}}}`), metav1.PatchOptions{FieldManager: "it"})
	report(name+" patch", err == nil && patched.GetLabels()["patched"] == "yes", err)
	background, uid := metav1.DeletePropagationBackground, made.GetUID()
	err = client.Delete(ctx, key, metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid}})
	report(name+" delete", err == nil, err)
	if several, can := client.(collection); can && name != "Namespace" {
		err = several.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		report(name+" deletecollection", err == nil, err)
	}
	kinds := map[watch.EventType]bool{}
	for _, wanted := range []watch.EventType{watch.Added, watch.Modified, watch.Modified} {
		select {
		case event := <-seen.ResultChan():
			named, typed := event.Object.(T)
			for typed && named.GetName() != key {
				event = <-seen.ResultChan()
				named, typed = event.Object.(T)
			}
			kinds[event.Type] = typed && event.Type == wanted
		case <-time.After(10 * time.Second):
			log.Fatalf("%s: no %s event", name, wanted)
		}
	}
	report(name+" watch", kinds[watch.Added] && kinds[watch.Modified], fmt.Sprint(kinds))
}

func statusAndScale(clients kubernetes.Interface, meta metav1.ObjectMeta, pod corev1.PodTemplateSpec, selector *metav1.LabelSelector) {
	node, err := clients.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: meta}, metav1.CreateOptions{})
	must(err)
	node.Status.Conditions = []corev1.NodeCondition{{Type: "Ready", Status: "True", LastHeartbeatTime: metav1.Now()}}
	node.Status.Capacity = corev1.ResourceList{"cpu": resource.MustParse("4")}
	node, err = clients.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	report("Node status", err == nil && len(node.Status.Conditions) == 1 && node.Status.Capacity.Cpu().Value() == 4, err)
	service, err := clients.CoreV1().Services("default").Create(ctx, &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		ClusterIP: "None", Ports: []corev1.ServicePort{{Port: 80}}}}, metav1.CreateOptions{})
	must(err)
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "198.51.100.1"}}
	service, err = clients.CoreV1().Services("default").UpdateStatus(ctx, service, metav1.UpdateOptions{})
	report("Service status", err == nil && len(service.Status.LoadBalancer.Ingress) == 1, err)
	deployments := clients.AppsV1().Deployments("default")
	_, err = deployments.Create(ctx, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector, Template: pod}}, metav1.CreateOptions{})
	must(err)
	scale, err := deployments.GetScale(ctx, "it", metav1.GetOptions{})
	must(err)
	scale.Spec.Replicas = 0
	scale, err = deployments.UpdateScale(ctx, "it", scale, metav1.UpdateOptions{})
	report("Scale", err == nil && scale.Spec.Replicas == 0, err)
	_, err = clients.CoreV1().Pods("default").Create(ctx, &corev1.Pod{ObjectMeta: meta, Spec: pod.Spec}, metav1.CreateOptions{})
	must(err)
	err = clients.CoreV1().Pods("default").Bind(ctx, &corev1.Binding{ObjectMeta: meta, Target: corev1.ObjectReference{Kind: "Node", Name: "it"}}, metav1.CreateOptions{})
	report("Binding", err == nil, err)
	err = clients.PolicyV1().Evictions("default").Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "it", Namespace: "default"}})
	report("Eviction", err == nil, err)
}

// metadataAlone reads PartialObjectMetadata.
func metadataAlone(config *rest.Config, maps interface {
	Create(context.Context, *corev1.ConfigMap, metav1.CreateOptions) (*corev1.ConfigMap, error)
}) {
	_, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "it"}}, metav1.CreateOptions{})
	must(err)
	client, err := metadata.NewForConfig(config)
	must(err)
	found, err := client.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace("default").List(ctx, metav1.ListOptions{})
	report("PartialObjectMetadata", err == nil && len(found.Items) > 0, err)
}

func report(name string, good bool, evidence ...any) {
	if good {
		fmt.Printf("%s: ok\n", name)
		return
	}
	fmt.Printf("%s: %v\n", name, evidence)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

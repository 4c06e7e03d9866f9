// Writes the protobuf layout of the Kubernetes types that the simulated API serves, as JSON, from the struct tags of
// k8s.io/api, k8s.io/apimachinery and k8s.io/apiextensions-apiserver (Apache-2.0), which are those of their published
// generated.proto files. `make protobuf` runs it.
package main

import (
	"encoding/json"
	"log"
	"os"
	"reflect"
	"strconv"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// versions of the built-in groups that the simulated API serves or takes as bodies.
var versions = map[string]string{
	"": "v1", "admissionregistration.k8s.io": "v1", "apiextensions.k8s.io": "v1", "apps": "v1",
	"authentication.k8s.io": "v1", "authorization.k8s.io": "v1", "autoscaling": "v1 v2", "batch": "v1",
	"coordination.k8s.io": "v1", "discovery.k8s.io": "v1", "events.k8s.io": "v1", "meta.k8s.io": "v1",
	"networking.k8s.io": "v1", "policy": "v1", "rbac.authorization.k8s.io": "v1", "scheduling.k8s.io": "v1",
	"storage.k8s.io": "v1",
}

// special forms have a JSON form that differs from their fields; the simulator implements each by name.
var special = map[string]bool{
	"Time": true, "MicroTime": true, "Duration": true, "Quantity": true, "IntOrString": true, "RawExtension": true,
	"FieldsV1": true, "JSON": true, "JSONSchemaPropsOrBool": true, "JSONSchemaPropsOrArray": true,
	"JSONSchemaPropsOrStringArray": true,
}

// field is one field: its JSON name (empty if its own fields stand in its place), its form, and whether it is a
// list, a map, and present in JSON even if it has Go's zero value.
type field struct {
	Name   string `json:"name,omitempty"`
	Form   string `json:"form"`
	List   bool   `json:"list,omitempty"`
	Map    bool   `json:"map,omitempty"`
	Always bool   `json:"always,omitempty"`
	Set    bool   `json:"set,omitempty"`
}

type layout struct {
	Kinds map[string]string           `json:"kinds"`
	Types map[string]map[string]field `json:"types"`
}

func main() {
	all := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensions.AddToScheme, metav1.AddMetaToScheme} {
		if err := add(all); err != nil {
			log.Fatal(err)
		}
	}
	metav1.AddToGroupVersion(all, schema.GroupVersion{Version: "v1"})
	found := layout{Kinds: map[string]string{}, Types: map[string]map[string]field{}}
	for kind, type_ := range all.AllKnownTypes() {
		if !serves(kind.GroupVersion()) || strings.HasPrefix(kind.Kind, "Internal") {
			continue
		}
		if name := found.add(type_); len(found.Types[name]) > 0 {
			found.Kinds[kind.GroupVersion().String()+"/"+kind.Kind] = name
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}

func serves(version schema.GroupVersion) bool {
	for _, each := range strings.Fields(versions[version.Group]) {
		if each == version.Version {
			return true
		}
	}
	return false
}

// add describes a struct and all that it contains; returns its name.
func (l *layout) add(t reflect.Type) string {
	name := strings.TrimPrefix(t.PkgPath(), "k8s.io/") + "." + t.Name()
	if l.Types[name] != nil {
		return name
	}
	fields := map[string]field{}
	l.Types[name] = fields
	for i := range t.NumField() {
		of := t.Field(i)
		if of.Tag.Get("protobuf") == "" {
			continue
		}
		number := strings.Split(of.Tag.Get("protobuf"), ",")[1]
		if _, err := strconv.Atoi(number); err != nil {
			log.Fatalf("%s.%s: %s", name, of.Name, of.Tag)
		}
		fields[number] = l.field(of)
	}
	return name
}

func (l *layout) field(of reflect.StructField) field {
	name, options, _ := strings.Cut(of.Tag.Get("json"), ",")
	optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
	found, t := field{Name: name, Always: !optional}, of.Type
	if strings.Contains(options, "inline") {
		found.Name = ""
	}
	if t.Kind() == reflect.Pointer {
		t, found.Always, found.Set = t.Elem(), false, true
	}
	switch {
	case t.Kind() == reflect.Slice && !atom(t):
		found.List, found.Always, t = true, false, t.Elem()
	case t.Kind() == reflect.Map:
		found.Map, found.Always, t = true, false, t.Elem()
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	found.Form = l.form(t)
	if found.Form != "string" && t.Kind() == reflect.Struct && !special[t.Name()] {
		found.Always = false
	}
	return found
}

// atom says whether a slice is one value on the wire: bytes, or a list that is a message of its own.
func atom(t reflect.Type) bool {
	return t.Elem().Kind() == reflect.Uint8 || isMessage(t)
}

func isMessage(t reflect.Type) bool {
	_, found := reflect.PointerTo(t).MethodByName("Unmarshal")
	return found
}

func (l *layout) form(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "int"
	case reflect.Float64:
		return "double"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "Items"
	case reflect.Struct:
		if special[t.Name()] {
			return t.Name()
		}
		return l.add(t)
	}
	log.Fatalf("no form for %s", t)
	return ""
}

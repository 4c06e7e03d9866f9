// Drives google.golang.org/api/compute/v1 through the steps on standard input, and prints the outcome of each: "" for
// success, the HTTP status of a refusal, or the code inside an operation that failed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path"
	"reflect"
	"strconv"
	"strings"

	compute "google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

const project = "proj-1"

type step struct {
	Service string
	Verb    string
	Name    string
	Body    map[string]any
	Query   map[string]any
	Where   struct{ Region, Zone string }
	Waits   bool
}

type client struct{ *compute.Service }

// call is the interface of every generated call.
type call[T any] interface {
	Do(...googleapi.CallOption) (T, error)
}

func main() {
	var said struct {
		Root  string
		Steps []step
	}
	if err := json.NewDecoder(os.Stdin).Decode(&said); err != nil {
		log.Fatal(err)
	}
	service, err := compute.NewService(
		context.Background(), option.WithEndpoint(said.Root+"/compute/v1/"), option.WithoutAuthentication())
	if err != nil {
		log.Fatal(err)
	}
	outcomes := make([]string, 0, len(said.Steps))
	for _, each := range said.Steps {
		outcomes = append(outcomes, client{service}.outcome(each))
	}
	if err := json.NewEncoder(os.Stdout).Encode(outcomes); err != nil {
		log.Fatal(err)
	}
}

func (c client) outcome(s step) string {
	operation, err := c.carryOut(s)
	for err == nil && s.Waits && operation != nil && operation.Status != "DONE" {
		operation, err = c.wait(operation)
	}
	var refusal *googleapi.Error
	switch {
	case errors.As(err, &refusal):
		return strconv.Itoa(refusal.Code)
	case err != nil:
		log.Fatalf("%s.%s %s: %v", s.Service, s.Verb, s.Name, err)
	case operation != nil && operation.Error != nil:
		return operation.Error.Errors[0].Code
	}
	return ""
}

func (c client) wait(operation *compute.Operation) (*compute.Operation, error) {
	switch {
	case operation.Zone != "":
		return c.ZoneOperations.Wait(project, path.Base(operation.Zone), operation.Name).Do()
	case operation.Region != "":
		return c.RegionOperations.Wait(project, path.Base(operation.Region), operation.Name).Do()
	}
	return c.GlobalOperations.Wait(project, operation.Name).Do()
}

// carryOut starts the operation of a step; reads start none.
func (c client) carryOut(s step) (*compute.Operation, error) {
	switch s.Service + "." + s.Verb {
	case "networks.get":
		return seen(s, c.Networks.Get(project, s.Name))
	case "networks.list":
		return seen(s, c.Networks.List(project))
	case "networks.insert":
		return done(s, c.Networks.Insert(project, body[compute.Network](s)))
	case "networks.delete":
		return done(s, c.Networks.Delete(project, s.Name))
	case "routes.list":
		return seen(s, c.Routes.List(project))
	case "routes.insert":
		return done(s, c.Routes.Insert(project, body[compute.Route](s)))
	case "routes.delete":
		return done(s, c.Routes.Delete(project, s.Name))
	}
	if s.Service == "subnetworks" {
		return c.changeSubnetwork(s)
	}
	return c.changeInstance(s)
}

func (c client) changeSubnetwork(s step) (*compute.Operation, error) {
	region := s.Where.Region
	switch s.Verb {
	case "insert":
		return done(s, c.Subnetworks.Insert(project, region, body[compute.Subnetwork](s)))
	case "delete":
		return done(s, c.Subnetworks.Delete(project, region, s.Name))
	case "expandIpCidrRange":
		wanted := body[compute.SubnetworksExpandIpCidrRangeRequest](s)
		return done(s, c.Subnetworks.ExpandIpCidrRange(project, region, s.Name, wanted))
	case "patch":
		change := body[compute.Subnetwork](s)
		if change.Fingerprint == "<current>" {
			found, err := c.Subnetworks.Get(project, region, s.Name).Do()
			if err != nil {
				return nil, err
			}
			change.Fingerprint = found.Fingerprint
		}
		return done(s, c.Subnetworks.Patch(project, region, s.Name, change))
	}
	return nil, fmt.Errorf("unknown step")
}

func (c client) changeInstance(s step) (*compute.Operation, error) {
	zone := s.Where.Zone
	switch s.Verb {
	case "insert":
		return done(s, c.Instances.Insert(project, zone, body[compute.Instance](s)))
	case "delete":
		return done(s, c.Instances.Delete(project, zone, s.Name))
	case "setTags":
		return done(s, c.Instances.SetTags(project, zone, s.Name, body[compute.Tags](s)))
	case "setLabels":
		return done(s, c.Instances.SetLabels(project, zone, s.Name, body[compute.InstancesSetLabelsRequest](s)))
	case "setMetadata":
		return done(s, c.Instances.SetMetadata(project, zone, s.Name, body[compute.Metadata](s)))
	case "updateNetworkInterface":
		change := body[compute.NetworkInterface](s)
		if change.Fingerprint == "<current>" {
			found, err := c.Instances.Get(project, zone, s.Name).Do()
			if err != nil {
				return nil, err
			}
			change.Fingerprint = found.NetworkInterfaces[0].Fingerprint
		}
		nic := s.Query["networkInterface"].(string)
		return done(s, c.Instances.UpdateNetworkInterface(project, zone, s.Name, nic, change))
	}
	return nil, fmt.Errorf("unknown step")
}

func done(s step, started call[*compute.Operation]) (*compute.Operation, error) {
	return started.Do(parameters(s)...)
}

func seen[T any](s step, look call[T]) (*compute.Operation, error) {
	_, err := look.Do(parameters(s)...)
	return nil, err
}

func parameters(s step) []googleapi.CallOption {
	var options []googleapi.CallOption
	for name, value := range s.Query {
		options = append(options, googleapi.QueryParameter(name, fmt.Sprint(value)))
	}
	return options
}

// body is the typed body of a step. The library omits fields with Go's zero value unless ForceSendFields lists them.
func body[T any](s step) *T {
	raw, err := json.Marshal(s.Body)
	if err != nil {
		log.Fatal(err)
	}
	typed := new(T)
	if err := json.Unmarshal(raw, typed); err != nil {
		log.Fatal(err)
	}
	forced := reflect.ValueOf(typed).Elem().FieldByName("ForceSendFields")
	for name := range s.Body {
		forced.Set(reflect.Append(forced, reflect.ValueOf(strings.ToUpper(name[:1])+name[1:])))
	}
	return typed
}

package server

import (
	"context"
	"fmt"
	"time"
)

// lastWords is the part of StopTimeout kept for cutting what did not end by itself.
const lastWords = time.Second

// Shutdown stops the server gracefully, in at most Config.StopTimeout. The error says what had to be cut. It may be called
// again, also at the same time: every call returns when the stop is complete.
func (s *Server) Shutdown() error {
	s.stop.Do(func() { s.stopped = s.shutdown() })
	return s.stopped
}

// A step is a named part of a stop. ctx ends when the time for a graceful stop is over.
type step struct {
	name string
	do   func(ctx context.Context) error
}

// shutdown goes through all steps, also after one that failed: the later ones clean up.
func (s *Server) shutdown() error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), max(s.config.StopTimeout-lastWords, s.config.StopTimeout/2))
	defer cancel()
	var failed error
	for _, step := range []step{
		{"fail readiness", s.failReadiness},
		{"send readers elsewhere", s.drain},
		{"finish requests in front", s.finishFronts},
		{"finish requests", s.finishRequests},
		{"finish handlers", s.inflight.wait},
		{"finish links", s.finishLinks},
		{"cut what is left", s.cutRest},
		{"close the log", func(context.Context) error { return s.hub.Close() }},
		{"close the admin port", s.closeAdmin},
	} {
		s.log.Debug("stopping", "step", step.name)
		if err := step.do(ctx); err != nil {
			s.log.Warn("stopping", "step", step.name, "error", err)
			failed = fmt.Errorf("stopping: %s: %w", step.name, err)
		}
	}
	s.log.Info("stopped", "after", time.Since(began).Round(time.Millisecond))
	return failed
}

func (s *Server) failReadiness(context.Context) error {
	s.stopping.Store(true)
	return nil
}

// drain lets every stream end once it has what there is, with its own delay before it comes again.
func (s *Server) drain(context.Context) error {
	s.hub.Drain(s.config.StopSpread)
	return nil
}

// finishRequests closes the port and waits for the connections that were not hijacked.
func (s *Server) finishRequests(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		l.Close() // those that Serve did not come to; the others are closed already
	}
	return err
}

// finishLinks waits for the connections that have left net/http.
func (s *Server) finishLinks(ctx context.Context) error {
	if s.pool == nil {
		return nil
	}
	return s.pool.Wait(ctx)
}

// cutRest ends what did not end by itself: first by its context, then by its connection.
func (s *Server) cutRest(ctx context.Context) error {
	links := 0
	if s.pool != nil {
		links = s.pool.Links()
		s.closePool()
	}
	err := s.cutRequests(ctx)
	if err == nil && links > 0 {
		err = fmt.Errorf("%d streams did not end by themselves", links)
	}
	return err
}

func (s *Server) cutRequests(context.Context) error {
	left := s.underWay()
	s.cut()
	defer s.reserve.close()
	defer s.stopFronts()
	if left == 0 {
		return s.http.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(lastWords, s.config.StopTimeout/2)/2)
	defer cancel()
	_ = s.inflight.wait(ctx)
	s.http.Close()
	_ = s.inflight.wait(ctx)
	return fmt.Errorf("%d requests did not end by themselves", left)
}

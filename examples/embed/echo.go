package main

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/sse"
)

func echoRouter(hub *todoke.Hub) http.Handler {
	router := echo.New()
	router.Use(middleware.Recover())
	router.Any("/v1/*", echo.WrapHandler(httpapi.New(hub, httpapi.Options{})))
	router.GET("/news", func(c *echo.Context) error {
		sse.Serve(c.Response(), c.Request(), hub, "news")
		return nil
	})
	router.POST("/tell", func(c *echo.Context) error {
		tell(hub, c.Response(), c.Request())
		return nil
	})
	return router
}

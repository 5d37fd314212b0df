package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/httpapi"
	"github.com/todoke-dev/todoke/transport/sse"
)

func ginRouter(hub *todoke.Hub) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	router.Any("/v1/*path", gin.WrapH(httpapi.New(hub, httpapi.Options{})))
	router.GET("/news", func(c *gin.Context) { sse.Serve(c.Writer, c.Request, hub, "news") })
	router.POST("/tell", func(c *gin.Context) { tell(hub, c.Writer, c.Request) })
	return router
}

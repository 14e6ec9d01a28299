// SPDX-License-Identifier: BSD-3-Clause

// Package proxy is `terrazzo proxy`: the response cache in front of a reverse proxy, for
// any Tiled server that exists today and any other HTTP origin.
package proxy

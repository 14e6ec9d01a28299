// SPDX-License-Identifier: BSD-3-Clause

// Package httpcache is a private HTTP cache for clients.
package httpcache

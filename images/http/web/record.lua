-- One request as one line: words of hexadecimal, so that no byte a client sends can break the line.
-- Words: address, port, time, status, connection, body size, request line, raw header block, body.
local BODY_LIMIT = 32768
local HEADER_LIMIT = 16384

local record = {}
local out

local function hex(text, limit)
    if not text or text == "" then
        return "-"
    end
    return (text:sub(1, limit):gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

function record.open(path)
    out = assert(io.open(path, "a"))
end

-- The raw header block can be had in the header filter but no longer in the log phase.
function record.keep_header()
    local ok, raw = pcall(ngx.req.raw_header, true)
    ngx.ctx.raw = ok and raw or nil
end

-- A location that answers without reading the body would leave it unseen.
function record.read_body()
    ngx.req.read_body()
end

function record.write()
    local var = ngx.var
    local body = var.request_body
    local size = body and #body or tonumber(var.content_length) or 0
    out:write(table.concat({
        var.remote_addr, var.remote_port, var.msec, var.status, var.connection, size,
        hex(var.request, HEADER_LIMIT), hex(ngx.ctx.raw, HEADER_LIMIT), hex(body, BODY_LIMIT),
    }, " "), "\n")
    out:flush()
end

return record
